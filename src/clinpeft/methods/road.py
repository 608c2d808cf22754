"""RoAd: the output of a projection is rotated in pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value
from clinpeft.methods._widths import largest_divisor

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard


class RoAd(_PeftMethod):
    """Pairs of output channels are rotated and scaled (Liao and Monz, NeurIPS 2024, variant 1).

    Its learning rate is three times IA3's: an angle and a factor a pair start at 0 and 1 and have far to go.
    """

    title: ClassVar[str] = "RoAd: outputs rotated and scaled in pairs"
    citation: ClassVar[str] = "Liao and Monz, 3-in-1: 2D Rotary Adaptation for Efficient Finetuning, NeurIPS 2024"
    learning_rate: ClassVar[float] = 3e-2

    group_size: Annotated[int, Field(ge=2)] = 64
    """Width of a group, whose halves are paired; the largest even divisor of the projections' widths up to it."""

    def config(self, card: ModelCard) -> Any:
        from peft import RoadConfig

        return RoadConfig(variant="road_1", group_size=self.group_size, target_modules=query_and_value(card))

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        config.group_size = 2 * largest_divisor([layer.out_features // 2 for layer in maps], self.group_size // 2)
