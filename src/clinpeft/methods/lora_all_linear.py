"""LoRA beside every linear map."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clinpeft.methods._low_rank import _LowRankMethod
from clinpeft.methods._targets import every_linear_map

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class LoraAllLinear(_LowRankMethod):
    """A low-rank matrix beside every linear map of attention and feed-forward part trains (Dettmers et al., 2023).

    Its default learning rate is a little below LoRA's: six maps of a layer move at once instead of two.
    """

    title: ClassVar[str] = "LoRA beside every linear map of attention and feed-forward part"
    citation: ClassVar[str] = "Dettmers et al., QLoRA, NeurIPS 2023"
    learning_rate: ClassVar[float] = 2e-3

    def targets(self, card: ModelCard) -> list[str] | str:
        return every_linear_map(card)
