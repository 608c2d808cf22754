"""EVA: LoRA that starts from the directions in which the training texts differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._low_rank import _LowRankMethod
from clinpeft.methods._peft import peft_model
from clinpeft.methods._targets import linear_maps
from clinpeft.methods.base import ADAPTER_FILE, Context, freeze
from clinpeft.spec import Kind

if TYPE_CHECKING:
    from clinpeft.methods._directions import Directions
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class Eva(_LowRankMethod):
    """A starts as the principal directions of what its map reads, and directions that explain more are given first
    (Paischer et al., NeurIPS 2025).

    The directions come from the first training batches; validation and test texts are not read. On average a map has
    `r` ranks, at most `spread` times as many, and, unlike in the paper, at least one. The decomposition is exact, not
    incremental. Its default learning rate is two thirds of LoRA's, as A's rows are longer and lie along the data.
    """

    title: ClassVar[str] = "EVA: LoRA that starts from the principal directions of the training texts"
    citation: ClassVar[str] = "Paischer et al., Parameter Efficient Fine-tuning via Explained Variance Adaptation, 2025"
    learning_rate: ClassVar[float] = 2e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {
        "r": (4, 64, "log"),
        "spread": (1, 3, "linear"),
    }

    spread: Annotated[float, Field(ge=1, le=16)] = 2.0
    """Most ranks of a map over the mean; 1 gives every map the same."""

    def refuses(self, card: ModelCard, kind: Kind) -> str | None:
        return self.more_ranks_than_dimensions(card)

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        import torch

        from clinpeft.methods._directions import principal_directions

        freeze(model)
        config = self.config(card)
        maps = linear_maps(model.backbone, config)
        directions = principal_directions(model, maps, context.batches(), round(self.spread * self.r))
        model = self.wrap(model, self._with_ranks(config, self._ranks(directions, [name for name, _ in maps])))
        with torch.no_grad():
            for name, found in directions.items():
                start = _low_rank(model, name).lora_A["default"].weight
                start.copy_(found.rows[: len(start)])
        return model

    def load(self, model: ClinicalModel, folder: Path) -> None:
        """Needs no text: the ranks are read off the file."""
        from safetensors.torch import load_file

        stored = {
            _map_of(name): len(value)
            for name, value in load_file(folder / ADAPTER_FILE).items()
            if name.endswith(".lora_A.weight")
        }
        own = _own_ranks(model)
        if stored.keys() == own.keys() and stored != own and sum(stored.values()) == self.r * len(own):
            model.backbone = peft_model(model).unload()
            self.wrap(model, self._with_ranks(self.config(model.card), stored))
        super().load(model, folder)

    def _ranks(self, directions: dict[str, Directions], names: list[str]) -> dict[str, int]:
        """Maps that no text has passed keep `r`."""
        from clinpeft.methods._directions import ranks_of

        return dict.fromkeys(names, self.r) | ranks_of(directions, self.r)

    def _with_ranks(self, config: Any, ranks: dict[str, int]) -> Any:
        """Every map keeps the scale alpha / r."""
        config.rank_pattern = {name: rank for name, rank in ranks.items() if rank != self.r}
        config.alpha_pattern = {name: self.alpha * rank / self.r for name, rank in config.rank_pattern.items()}
        return config


def _low_rank(model: ClinicalModel, name: str) -> Any:
    return peft_model(model).get_base_model().get_submodule(name)


def _map_of(parameter: str) -> str:
    return parameter.removeprefix("base_model.model.").removesuffix(".lora_A.weight")


def _own_ranks(model: ClinicalModel) -> dict[str, int]:
    named = peft_model(model).get_base_model().named_modules()
    return {name: module.r["default"] for name, module in named if hasattr(module, "lora_A")}
