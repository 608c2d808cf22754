"""LoRA beside a backbone in 8 bits."""

from __future__ import annotations

from typing import ClassVar, Literal

from clinpeft.methods._quantized_lora import _QuantizedLoraMethod


class Lora8bit(_QuantizedLoraMethod):
    """LoRA beside query and value projections of a backbone in 8 bits, each row with a scale (Dettmers et al., 2022).

    A quarter of float32's memory for the backbone's linear maps. The default learning rate is LoRA's.
    """

    title: ClassVar[str] = "LoRA beside a backbone in 8 bits"
    citation: ClassVar[str] = "Dettmers et al., LLM.int8(), NeurIPS 2022"
    learning_rate: ClassVar[float] = 3e-3
    bits: ClassVar[Literal[4, 8]] = 8
