"""F1 of the positive class."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._absence import absence
from clinpeft.metrics._additive import AdditiveMetric
from clinpeft.metrics._decisions import gold_of, is_binary, predicted_classes
from clinpeft.metrics._f1 import f1
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind


class F1(AdditiveMetric):
    """F1 of the positive class of a binary task, at the threshold chosen on validation (the higher score without one).

    Equal to sklearn's `f1_score(average="binary")`, but undefined instead of 0 when nothing is present or predicted.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs")
    degenerate: ClassVar[str] = "the positive class is neither present nor predicted"
    title: ClassVar[str] = "harmonic mean of precision and recall of the positive class"

    def undefined(self, predictions: Predictions) -> str | None:
        if reason := absence(predictions, self.kinds):
            return reason
        return super().undefined(predictions) if is_binary(predictions) else "needs two classes, one of them positive"

    def statistics(self, predictions: Predictions) -> Floats:
        gold = gold_of(predictions) == predictions.positive
        predicted = predicted_classes(predictions) == predictions.positive
        return np.stack([gold & predicted, predicted, gold], axis=1).astype(np.float64)

    def from_totals(self, totals: Floats) -> Floats:
        return f1(totals[:, 0], totals[:, 1], totals[:, 2])
