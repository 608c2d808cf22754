"""DoRA: direction by LoRA, magnitude by a vector."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from clinpeft.methods._low_rank import _LowRankMethod


class Dora(_LowRankMethod):
    """LoRA moves the direction of each row of a weight matrix, a trained vector its length (Liu et al., ICML 2024).

    Its default learning rate is LoRA's: the low-rank part has the same start and scale.
    """

    title: ClassVar[str] = "DoRA: LoRA for the direction of the weights, a vector for their magnitude"
    citation: ClassVar[str] = "Liu et al., DoRA, ICML 2024"
    learning_rate: ClassVar[float] = 3e-3
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = None

    def variant(self) -> dict[str, Any]:
        return {"use_dora": True}
