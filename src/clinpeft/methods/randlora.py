"""RandLoRA: a full-rank update as a sum of scaled random low-rank ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class RandLora(_PeftMethod):
    """Query and value projections get a sum of frozen random low-rank pairs, of which only scales train (Albert et al.,
    ICLR 2025).

    As many pairs as make the rank full. They come from a seed, on any processor the same, and are not saved. The
    default learning rate is a tenth of LoRA's: at LoRA's, its large scales overshoot (measured).
    """

    title: ClassVar[str] = "RandLoRA: trained scales of frozen random pairs that together have full rank"
    citation: ClassVar[str] = "Albert et al., RandLoRA, ICLR 2025"
    learning_rate: ClassVar[float] = 3e-4
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (8, 128, "log")}

    r: Annotated[int, Field(ge=1, le=1024)] = 32
    """Rank of each pair; lower ranks mean more pairs, and more parameters."""
    scale: Annotated[float, Field(gt=0)] = 20
    """alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the pairs."""

    def config(self, card: ModelCard) -> Any:
        from peft import RandLoraConfig

        return RandLoraConfig(
            r=self.r,
            randlora_alpha=self.scale * self.r,
            randlora_dropout=self.dropout,
            save_projection=False,
            bias="none",
            target_modules=query_and_value(card),
        )
