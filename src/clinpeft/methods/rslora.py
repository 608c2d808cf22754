"""rsLoRA: LoRA with a scale that holds its own at high ranks."""

from __future__ import annotations

from typing import Any, ClassVar

from clinpeft.methods._low_rank import _LowRankMethod


class RsLora(_LowRankMethod):
    """LoRA with the scale alpha / √r instead of alpha / r (Kalajdzievski, 2023).

    Its default learning rate is a third of LoRA's, as its scale at the default rank is almost three times LoRA's.
    """

    title: ClassVar[str] = "rsLoRA: LoRA scaled by the root of its rank"
    citation: ClassVar[str] = (
        "Kalajdzievski, A Rank Stabilization Scaling Factor for Fine-Tuning, arXiv:2312.03732, 2023"
    )
    learning_rate: ClassVar[float] = 1e-3

    def variant(self) -> dict[str, Any]:
        return {"use_rslora": True}
