"""OLoRA: LoRA that starts from an orthonormal basis of the weights."""

from __future__ import annotations

from typing import Any, ClassVar

from clinpeft.methods._residual import _ResidualMethod


class OLoRA(_ResidualMethod):
    """A and B start as the first rows and columns of each weight matrix's QR decomposition (Büyükakyüz, 2024).

    Its default learning rate is a third of LoRA's, for PiSSA's reason: neither matrix starts at 0.
    """

    title: ClassVar[str] = "OLoRA: LoRA that starts from an orthonormal basis of the weights"
    citation: ClassVar[str] = "Büyükakyüz, OLoRA, arXiv:2406.01775, 2024"
    learning_rate: ClassVar[float] = 1e-3

    def variant(self) -> dict[str, Any]:
        return {"init_lora_weights": "olora"}
