"""LoKr: the update is a Kronecker product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class LoKr(_PeftMethod):
    """A Kronecker product of a small matrix and one of low rank trains (Yeh et al., ICLR 2024; Edalati et al., 2022).

    The scale is LoRA's, and the learning rate ten times LoRA's: a product of products moves late (measured,
    docs/benchmarks/methods.md).
    """

    title: ClassVar[str] = "LoKr: updates that are Kronecker products"
    citation: ClassVar[str] = "Yeh et al., Navigating Text-To-Image Customization, ICLR 2024"
    learning_rate: ClassVar[float] = 3e-2
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (2, 64, "log")}

    r: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank of the larger factor; a factor no larger than twice the rank is trained whole."""
    alpha: Annotated[float, Field(gt=0)] = 16
    """Numerator of the scale alpha / r."""

    def config(self, card: ModelCard) -> Any:
        from peft import LoKrConfig

        return LoKrConfig(r=self.r, alpha=self.alpha, target_modules=query_and_value(card))
