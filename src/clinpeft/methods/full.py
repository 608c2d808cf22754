"""Full fine-tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clinpeft.methods.base import Context, Method, train_in_float32

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class Full(Method):
    """Every parameter of the backbone trains (Devlin et al., NAACL 2019)."""

    title: ClassVar[str] = "full fine-tuning: every parameter trains"
    citation: ClassVar[str] = "Devlin et al., BERT, NAACL 2019"
    learning_rate: ClassVar[float] = 3e-4

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        train_in_float32(model)
        return model

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        return model
