"""Weighted F1."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import ratio
from clinpeft.metrics._f1 import F1Metric, f1
from clinpeft.metrics.base import Floats


class F1Weighted(F1Metric):
    """F1 of every class, averaged by how often the class is in the gold; undefined without gold.

    Equal to sklearn's `f1_score(average="weighted")`. Relations: over the labels other than `none`.
    """

    degenerate: ClassVar[str] = "no gold label is present"
    title: ClassVar[str] = "F1 averaged over classes, each by its share of the gold"

    def average(self, true_positives: Floats, predicted: Floats, gold: Floats) -> Floats:
        per_class = np.nan_to_num(f1(true_positives, predicted, gold))
        return ratio((per_class * gold).sum(axis=1), gold.sum(axis=1))
