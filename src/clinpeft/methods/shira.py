"""SHiRA: a few of the weights themselves train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.methods.base import Context
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class ShiRa(_PeftMethod):
    """A random few of each projection's weights train (Bhardwaj et al., NeurIPS 2024).

    They are chosen alike for every seed and saved with the adapter. Each moves alone, so that the learning rate lies
    between those of full fine-tuning and LoRA.
    """

    title: ClassVar[str] = "SHiRA: a random few of the weights train"
    citation: ClassVar[str] = "Bhardwaj et al., Sparse High Rank Adapters, NeurIPS 2024"
    learning_rate: ClassVar[float] = 1e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (4, 64, "log")}

    r: Annotated[int, Field(ge=1)] = 32
    """r times the sum of a projection's widths train; no more than it has."""

    def config(self, card: ModelCard) -> Any:
        from peft import ShiraConfig

        return ShiraConfig(r=self.r, random_seed=0, target_modules=query_and_value(card))

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        most = min(layer.weight.numel() // (layer.in_features + layer.out_features) for layer in maps)
        config.r = min(self.r, most)

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from torch.sparse import check_sparse_tensor_invariants

        # peft makes a sparse tensor in each pass; torch 2.13 warns unless it is told whether to check it.
        check_sparse_tensor_invariants.disable()  # type: ignore[no-untyped-call]
        return super().apply(model, card, context)
