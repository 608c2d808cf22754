"""Area under the ROC curve."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.metrics._additive import ratio
from clinpeft.metrics._ranking import Ranked, RankingMetric
from clinpeft.metrics.base import Floats


class Auroc(RankingMetric):
    """Probability that a positive example scores higher than a negative one; a tie counts one half.

    Several classes: each against the rest, averaged with equal weight over those with a positive and a negative;
    multi-label: the same over labels, among the annotated examples. Equal to sklearn's
    `roc_auc_score(multi_class="ovr", average="macro")` where that is defined.
    """

    title: ClassVar[str] = "chance that a positive case is ranked above a negative one"
    citation: ClassVar[str] = "Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747"

    def of_label(self, ranked: Ranked, positives: Floats, negatives: Floats) -> Floats:
        beaten = negatives[:, ranked.below] + negatives[:, ranked.up_to]
        return ratio((positives * beaten).sum(axis=1) / 2, positives.sum(axis=1) * negatives[:, -1])
