"""Micro F1."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.metrics._f1 import F1Metric, f1
from clinpeft.metrics.base import Floats
from clinpeft.spec import Kind


class F1Micro(F1Metric):
    """F1 over all decisions of all classes together; with one class per example it equals accuracy.

    Equal to sklearn's `f1_score(average="micro")`. For relations, where `none` is left out, see `relation-f1`.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs", "multilabel")
    title: ClassVar[str] = "F1 over all decisions together, common classes counting most"

    def average(self, true_positives: Floats, predicted: Floats, gold: Floats) -> Floats:
        return f1(true_positives.sum(axis=1), predicted.sum(axis=1), gold.sum(axis=1))
