"""VB-LoRA: low-rank updates composed from one bank of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import common_divisor, query_and_value
from clinpeft.methods.base import split_groups

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel

LONGEST = 256
"""Numbers of a vector, as in the paper, where the widths are multiples of it."""
LOGITS_RATE = 10
"""Learning rate of the choice among vectors over that of the vectors, as in the paper."""


class VbLora(_PeftMethod):
    """The pair of each query and value projection is put together from a few vectors of one bank (Li et al., 2024).

    Vectors are as long as divides every projection's width, up to 256. The default learning rate, the bank's, is
    three times LoRA's, and the choice among the vectors learns ten times as fast: both about as in the paper.
    """

    title: ClassVar[str] = "VB-LoRA: low-rank updates put together from one bank of vectors"
    citation: ClassVar[str] = "Li et al., VB-LoRA, NeurIPS 2024"
    learning_rate: ClassVar[float] = 1e-2
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {
        "r": (2, 16, "log"),
        "num_vectors": (30, 256, "log"),
    }

    r: Annotated[int, Field(ge=1, le=1024)] = 4
    """Rank."""
    num_vectors: Annotated[int, Field(ge=2)] = 90
    """In the bank."""
    topk: Annotated[int, Field(ge=1, le=16)] = 2
    """Vectors that make up each piece."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the pair."""

    def config(self, card: ModelCard) -> Any:
        from peft import VBLoRAConfig

        return VBLoRAConfig(
            r=self.r,
            num_vectors=self.num_vectors,
            topk=min(self.topk, self.num_vectors),
            vblora_dropout=self.dropout,
            bias="none",
            target_modules=query_and_value(card),
        )

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        config.vector_length = common_divisor(maps, LONGEST)

    def parameter_groups(
        self, model: ClinicalModel, learning_rate: float, head_learning_rate: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        groups = super().parameter_groups(model, learning_rate, head_learning_rate, weight_decay)
        logits = {id(value) for name, value in model.backbone.named_parameters() if "vblora_logits" in name}
        return split_groups(groups, logits, LOGITS_RATE)
