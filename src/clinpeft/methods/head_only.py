"""Head only: a linear probe of the frozen backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from clinpeft.methods.base import Context, Method, freeze

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class HeadOnly(Method):
    """The backbone stays as it is; only the head trains (Peters et al., RepL4NLP 2019: feature extraction)."""

    title: ClassVar[str] = "head only: the backbone stays frozen"
    citation: ClassVar[str] = "Peters et al., To Tune or Not to Tune?, RepL4NLP 2019"
    learning_rate: ClassVar[float] = 1e-3

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        freeze(model)
        return model

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        return model
