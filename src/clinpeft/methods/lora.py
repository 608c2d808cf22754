"""LoRA: low-rank updates of the attention's projections."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.methods._low_rank import _LowRankMethod


class Lora(_LowRankMethod):
    """A low-rank matrix beside each query and value projection trains (Hu et al., ICLR 2022).

    The scale is alpha / r = 2; the 2024 study used alpha = r.
    """

    title: ClassVar[str] = "LoRA: low-rank updates of query and value projections"
    citation: ClassVar[str] = "Hu et al., LoRA, ICLR 2022"
    learning_rate: ClassVar[float] = 3e-3
