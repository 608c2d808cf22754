"""PiSSA: LoRA that starts from the weights' principal components."""

from __future__ import annotations

from typing import Any, ClassVar

from clinpeft.methods._residual import _ResidualMethod


class PiSSA(_ResidualMethod):
    """A and B start as the largest singular directions of each weight matrix; the rest is frozen (Meng et al., 2024).

    By the full decomposition: the fast random one cannot be repeated. Its default learning rate is a third of LoRA's:
    both matrices start far from 0, so that a step of either moves the weights.
    """

    title: ClassVar[str] = "PiSSA: LoRA that starts from the principal components of the weights"
    citation: ClassVar[str] = "Meng et al., PiSSA, NeurIPS 2024"
    learning_rate: ClassVar[float] = 1e-3

    def variant(self) -> dict[str, Any]:
        return {"init_lora_weights": "pissa"}
