"""Macro F1."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.metrics._additive import mean_of_defined
from clinpeft.metrics._f1 import F1Metric, f1
from clinpeft.metrics.base import Floats


class F1Macro(F1Metric):
    """F1 of every class, averaged with equal weight; classes neither present nor predicted are left out.

    Equal to sklearn's `f1_score(average="macro")`. Relations: over the labels other than `none`.
    """

    title: ClassVar[str] = "F1 averaged over classes, rare ones counting as much as common ones"

    def average(self, true_positives: Floats, predicted: Floats, gold: Floats) -> Floats:
        return mean_of_defined(f1(true_positives, predicted, gold))
