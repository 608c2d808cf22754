"""LN-tuning: the normalisation layers train."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clinpeft.methods.base import Context, Method, freeze, train_in_float32

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class LnTuning(Method):
    """Scale and shift of every normalisation layer of the backbone train (Zhao et al., arXiv:2312.11420, 2023).

    Its default learning rate is that of BitFit, whose biases are of the same size. The layers train in place, where
    peft trains a copy of each (docs/decisions/0016-methods-in-place.md).
    """

    title: ClassVar[str] = "LN-tuning: only the normalisation layers train"
    citation: ClassVar[str] = "Zhao et al., Tuning LayerNorm in Attention, arXiv:2312.11420, ICLR 2024"
    learning_rate: ClassVar[float] = 4e-3

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        freeze(model)
        endings = tuple(f".{name}" for name in card.architecture().norms)
        for name, module in model.backbone.named_modules():
            if f".{name}".endswith(endings):
                for parameter in module.parameters():
                    parameter.requires_grad_(True)
        train_in_float32(model)
        return model

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        return model
