"""What LoRA and the methods that differ from it in a detail have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class _LowRankMethod(_PeftMethod):
    """A low-rank matrix beside each query and value projection: W + (alpha / r) B A with A [r, in] and B [out, r]."""

    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (4, 64, "log")}
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = "low_rank"

    r: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank."""
    alpha: Annotated[float, Field(gt=0)] = 16
    """Numerator of the scale alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the low-rank pair."""

    def targets(self, card: ModelCard) -> list[str] | str:
        """The linear maps that are adapted, as peft takes them."""
        return query_and_value(card)

    def variant(self) -> dict[str, Any]:
        """What the method asks of peft's LoRA beside rank, scale and dropout."""
        return {}

    def config(self, card: ModelCard) -> Any:
        from peft import LoraConfig

        return LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            bias="none",
            target_modules=self.targets(card),
            **self.variant(),
        )

    def more_ranks_than_dimensions(self, card: ModelCard) -> str | None:
        """Why a method that starts from directions of the weights or states cannot have this rank."""
        if self.r <= card.hidden_size:
            return None
        return f"its rank of {self.r} is more than the {card.hidden_size} dimensions that it starts from"
