"""LoRA-FA: LoRA with A frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clinpeft.methods._low_rank import _LowRankMethod
from clinpeft.methods.base import Context

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class LoraFa(_LowRankMethod):
    """LoRA whose first matrix, A, stays at its random start; only B trains (Zhang et al., 2023).

    Half the optimiser's state, and of a layer's input only r numbers a word piece are kept for the backward pass. The
    paper's second version also multiplies B's gradient by (A Aᵀ)⁻¹; for a random A that is close to a number, which
    AdamW divides out again, and is left away. Its default learning rate is above LoRA's, as B moves alone.
    """

    title: ClassVar[str] = "LoRA-FA: LoRA whose first matrix stays frozen"
    citation: ClassVar[str] = "Zhang et al., LoRA-FA, arXiv:2308.03303, 2023"
    learning_rate: ClassVar[float] = 5e-3

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        model = super().apply(model, card, context)
        for name, parameter in model.backbone.named_parameters():
            if "lora_A" in name:
                parameter.requires_grad_(False)
        return model
