"""LoRA: low-rank updates of the attention's projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class Lora(_PeftMethod):
    """A low-rank matrix beside each query and value projection trains (Hu et al., ICLR 2022).

    The scale is alpha / r = 2; the 2024 study used alpha = r.
    """

    title: ClassVar[str] = "LoRA: low-rank updates of query and value projections"
    citation: ClassVar[str] = "Hu et al., LoRA, ICLR 2022"
    learning_rate: ClassVar[float] = 3e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (4, 64, "log")}
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = "low_rank"

    r: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank."""
    alpha: Annotated[float, Field(gt=0)] = 16
    """Numerator of the scale alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the low-rank pair."""

    def config(self, card: ModelCard) -> Any:
        from peft import LoraConfig

        family = card.architecture()
        return LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            bias="none",
            target_modules=[family.query, family.value],
        )
