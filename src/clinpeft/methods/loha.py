"""LoHa: the update is a Hadamard product of two low-rank products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class LoHa(_PeftMethod):
    """An entrywise product of two low-rank products trains, of rank up to r² (FedPara, Hyeon-Woo et al., ICLR 2022).

    The scale is LoRA's, and the learning rate three times LoRA's: a product of products moves late (measured with
    MiniLM-L3, where it learned hardly anything at LoRA's).
    """

    title: ClassVar[str] = "LoHa: updates that are Hadamard products of low-rank matrices"
    citation: ClassVar[str] = "Hyeon-Woo et al., FedPara, ICLR 2022"
    learning_rate: ClassVar[float] = 1e-2
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (2, 32, "log")}

    r: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank of each of the two products."""
    alpha: Annotated[float, Field(gt=0)] = 16
    """Numerator of the scale alpha / r."""

    def config(self, card: ModelCard) -> Any:
        from peft import LoHaConfig

        return LoHaConfig(r=self.r, alpha=self.alpha, target_modules=query_and_value(card))
