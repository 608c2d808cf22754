"""Area under the precision-recall curve."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import ratio
from clinpeft.metrics._ranking import Ranked, RankingMetric, cumulated
from clinpeft.metrics.base import Floats


class Auprc(RankingMetric):
    """Average precision: the mean, over positives, of the precision among examples that score at least as high.

    No skill gives the share of positives. Several classes or labels are averaged as for `auroc`. Equal to sklearn's
    `average_precision_score`, but undefined when there is no positive or no negative.
    """

    title: ClassVar[str] = "precision averaged over recall; compare it with the share of positives"
    citation: ClassVar[str] = "Davis and Goadrich 2006, doi:10.1145/1143844.1143874"

    def of_label(self, ranked: Ranked, positives: Floats, negatives: Floats) -> Floats:
        before = cumulated(positives)
        true_positives = before[:, -1:] - before[:, ranked.positives_below]
        false_positives = negatives[:, -1:] - negatives[:, ranked.below]
        # A resample without this positive or any example above it divides 0 by 0; the positive weighs 0 there.
        precision = true_positives / np.maximum(true_positives + false_positives, np.finfo(np.float64).tiny)
        return ratio((positives * precision).sum(axis=1), before[:, -1])
