"""Prefix tuning: learned keys and values in every layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.errors import BadInput
from clinpeft.methods.base import ADAPTER_FILE, Context, Method, freeze, load_head, save_head
from clinpeft.spec import Kind

if TYPE_CHECKING:
    import torch

    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel

REWRITTEN = ("deberta-v2", "megatron-bert")
"""Families whose attention asks for no attention function, and is made to (`_prefix.OWN_FORWARDS`)."""


class PrefixTuning(Method):
    """Keys and values of virtual tokens train in every layer (Li and Liang, ACL 2021; P-Tuning v2, Liu et al., 2022).

    Every word piece sees all of them; the text keeps its own positions, so no length is lost. Where layers share their
    weights (ALBERT), they share one prefix.
    """

    title: ClassVar[str] = "prefix tuning: learned keys and values in every layer"
    citation: ClassVar[str] = "Li and Liang, Prefix-Tuning, ACL 2021"
    learning_rate: ClassVar[float] = 3e-2
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"num_virtual_tokens": (5, 50, "log")}
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = "tokens"

    num_virtual_tokens: Annotated[int, Field(ge=1, le=200)] = 10
    """In each layer."""
    projection: bool = False
    """Whether a perceptron makes them while they train, as Li and Liang do; what it came to is kept."""

    def refuses(self, card: ModelCard, kind: Kind) -> str | None:
        if card.architecture().calls_attention_interface or card.family in REWRITTEN:
            return None
        return f"the attention of family '{card.family}' has no room for other keys and values; use lora or p-tuning"

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from clinpeft.methods._prefix import add_prefixes

        freeze(model)
        add_prefixes(model.backbone, card, self.num_virtual_tokens, is_projected=self.projection)
        return model

    def save(self, model: ClinicalModel, folder: Path) -> None:
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(_states(model), folder / ADAPTER_FILE)
        save_head(model, folder)

    def load(self, model: ClinicalModel, folder: Path) -> None:
        """From then on the prefix is read as it is, whatever made it."""
        from safetensors.torch import load_file

        from clinpeft.methods._prefix import attention_modules, settle

        trained, own = load_file(folder / ADAPTER_FILE), _states(model)
        if {name: value.shape for name, value in trained.items()} != {name: value.shape for name, value in own.items()}:
            raise BadInput(str(folder / ADAPTER_FILE), "holds other parameters than the method trains on this model")
        for name, module in attention_modules(model.backbone, model.card):
            settle(module, trained[name].to(own[name].device))
        load_head(model, folder)


def _states(model: ClinicalModel) -> dict[str, torch.Tensor]:
    """The prefix of each attention module, [2, heads, P, width of a head]."""
    from clinpeft.methods._prefix import attention_modules

    modules: dict[str, Any] = dict(attention_modules(model.backbone, model.card))
    return {name: module.prefix().detach().float().clone().contiguous() for name, module in modules.items()}
