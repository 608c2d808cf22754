"""QLoRA: LoRA beside a backbone in 4 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from clinpeft.methods._quantized_lora import _QuantizedLoraMethod
from clinpeft.methods._targets import every_linear_map

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class QLora(_QuantizedLoraMethod):
    """LoRA beside every linear map of a backbone in 4-bit NormalFloat, scales quantised too (Dettmers et al., 2023).

    The backbone is quantised when the method is applied, so any model of the catalogue will do. An eighth of float32's
    memory for its linear maps, at the cost of unpacking them for every pass. The default learning rate is that of LoRA
    beside every linear map.
    """

    title: ClassVar[str] = "QLoRA: LoRA beside every linear map of a backbone in 4 bits"
    citation: ClassVar[str] = "Dettmers et al., QLoRA, NeurIPS 2023"
    learning_rate: ClassVar[float] = 2e-3
    bits: ClassVar[Literal[4, 8]] = 4

    def targets(self, card: ModelCard) -> list[str] | str:
        return every_linear_map(card)
