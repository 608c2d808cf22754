"""Accuracy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import AdditiveMetric, ratio
from clinpeft.metrics._decisions import gold_of, predicted_classes
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind


class Accuracy(AdditiveMetric):
    """Share of examples whose predicted class is the gold one; equal to sklearn's `accuracy_score`."""

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs", "relations")
    degenerate: ClassVar[str] = "no examples"
    title: ClassVar[str] = "share of examples that are right"

    def statistics(self, predictions: Predictions) -> Floats:
        correct = predicted_classes(predictions) == gold_of(predictions)
        return np.stack([correct, np.ones_like(correct)], axis=1).astype(np.float64)

    def from_totals(self, totals: Floats) -> Floats:
        return ratio(totals[:, 0], totals[:, 1])
