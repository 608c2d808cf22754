"""BitFit: the biases train."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clinpeft.methods.base import Context, Method, freeze, train_in_float32
from clinpeft.spec import Kind

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class BitFit(Method):
    """Every bias of the backbone trains, normalisation included (Ben Zaken et al., ACL 2022)."""

    title: ClassVar[str] = "BitFit: only the biases train"
    citation: ClassVar[str] = "Ben Zaken et al., BitFit, ACL 2022"
    learning_rate: ClassVar[float] = 4e-3

    def refuses(self, card: ModelCard, kind: Kind) -> str | None:
        if card.architecture().has_biases:
            return None
        return "its family has no biases, and only the head would train; use ln-tuning or head-only"

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        freeze(model)
        for name, parameter in model.backbone.named_parameters():
            if name.endswith("bias"):
                parameter.requires_grad_(True)
        train_in_float32(model)
        return model

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        return model
