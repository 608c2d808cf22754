"""What the F1 metrics share: true positives, predictions and gold of each class."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import AdditiveMetric, ratio
from clinpeft.metrics._decisions import annotated, gold_of, predicted_classes, predicted_labels
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind

NO_RELATION = "none"


class F1Metric(AdditiveMetric):
    """Counts per class in three blocks of columns: true positives, predicted, gold."""

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs", "multilabel", "relations")
    degenerate: ClassVar[str] = "no label is present or predicted"

    def statistics(self, predictions: Predictions) -> Floats:
        """Float [n, 3k]; missing cells count nowhere, and `none` of a relation task is no class of its own."""
        if predictions.kind == "multilabel":
            gold = (gold_of(predictions) == 1) & annotated(predictions)
            predicted = predicted_labels(predictions)
        else:
            left_out = NO_RELATION if predictions.kind == "relations" else None
            classes = np.array(
                [index for index, label in enumerate(predictions.labels) if label != left_out], dtype=np.int64
            )
            gold = gold_of(predictions)[:, None] == classes
            predicted = predicted_classes(predictions)[:, None] == classes
        return np.concatenate([gold & predicted, predicted, gold], axis=1).astype(np.float64)

    def from_totals(self, totals: Floats) -> Floats:
        true_positives, predicted, gold = np.split(totals, 3, axis=1)
        return self.average(true_positives, predicted, gold)

    def average(self, true_positives: Floats, predicted: Floats, gold: Floats) -> Floats:
        """Float [B] from counts [B, k]."""
        raise NotImplementedError


def f1(true_positives: Floats, predicted: Floats, gold: Floats) -> Floats:
    """Harmonic mean of precision and recall; NaN where nothing is present or predicted."""
    return ratio(2 * true_positives, predicted + gold)
