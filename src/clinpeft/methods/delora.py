"""DeLoRA: low-rank updates of bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class DeLora(_PeftMethod):
    """Low-rank updates of query and value projections, normalised; a trained bound says how far (Bini et al., 2025).

    The default learning rate is LoRA's; above it short runs overshoot (measured, docs/benchmarks/methods.md).
    """

    title: ClassVar[str] = "DeLoRA: low-rank updates with angle and strength apart"
    citation: ClassVar[str] = "Bini et al., DeLoRA, ICLR 2025"
    learning_rate: ClassVar[float] = 3e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {
        "r": (4, 64, "log"),
        "bound": (2, 50, "log"),
    }

    r: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank."""
    bound: Annotated[float, Field(gt=0)] = 15
    """First value of the trained bound, in units of the weights' norm."""

    def config(self, card: ModelCard) -> Any:
        from peft import DeloraConfig

        return DeloraConfig(r=self.r, delora_lambda=self.bound, bias="none", target_modules=query_and_value(card))
