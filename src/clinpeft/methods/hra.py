"""HRA: the input of a projection is reflected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class Hra(_PeftMethod):
    """A chain of Householder reflections before each projection trains (Yuan et al., NeurIPS 2024).

    They come in equal pairs, which cancel, so that training starts from the backbone as it is. The learning rate is
    three times LoRA's, as the first step only parts the pairs.
    """

    title: ClassVar[str] = "HRA: learned reflections of the projections' inputs"
    citation: ClassVar[str] = "Yuan et al., Bridging The Gap between Low-rank and Orthogonal Adaptation, NeurIPS 2024"
    learning_rate: ClassVar[float] = 1e-2
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"num_pairs": (1, 16, "log")}

    num_pairs: Annotated[int, Field(ge=1, le=512)] = 4
    """Pairs of reflections: half of the paper's r."""

    def config(self, card: ModelCard) -> Any:
        from peft import HRAConfig

        return HRAConfig(r=2 * self.num_pairs, target_modules=query_and_value(card))
