"""VeRA: two vectors a map scale one random low-rank pair shared by all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class Vera(_PeftMethod):
    """Query and value projections share one frozen random pair; two vectors each scale it (Kopiczko et al., 2024).

    The pair comes from a seed, on any processor the same, and is not saved. The default learning rate is ten times
    LoRA's, as in the paper.
    """

    title: ClassVar[str] = "VeRA: trained vectors scale one frozen random low-rank pair"
    citation: ClassVar[str] = "Kopiczko et al., VeRA, ICLR 2024"
    learning_rate: ClassVar[float] = 3e-2
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (64, 1024, "log")}

    r: Annotated[int, Field(ge=1, le=4096)] = 256
    """Rank of the shared pair."""
    initial: Annotated[float, Field(gt=0)] = 0.1
    """First value of the vector between the two matrices."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the pair."""

    def config(self, card: ModelCard) -> Any:
        from peft import VeraConfig

        return VeraConfig(
            r=self.r,
            d_initial=self.initial,
            vera_dropout=self.dropout,
            save_projection=False,
            bias="none",
            target_modules=query_and_value(card),
        )
