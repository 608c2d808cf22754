"""Brier score."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import AdditiveMetric, ratio
from clinpeft.metrics._decisions import annotated, gold_of, scores_of
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind


class Brier(AdditiveMetric):
    """Mean squared error of the probabilities: 0 is perfect, and lower is better.

    Two classes: of one class's probability (0 to 1, sklearn's `brier_score_loss`). More classes: summed over them
    (0 to 2). Multi-label: mean over the annotated cells.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs", "multilabel")
    higher_is_better: ClassVar[bool] = False
    degenerate: ClassVar[str] = "no label was annotated"
    title: ClassVar[str] = "squared error of the probabilities: calibration and discrimination in one"
    citation: ClassVar[str] = "Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"

    def statistics(self, predictions: Predictions) -> Floats:
        """Float [n, 2]: the squared errors, and over how many they are averaged."""
        gold, scores = gold_of(predictions), scores_of(predictions)
        if predictions.kind == "multilabel":
            cells = annotated(predictions)
            return np.stack([(((scores - gold) ** 2) * cells).sum(axis=1), cells.sum(axis=1)], axis=1)
        if len(predictions.labels) == 2:
            positive = 1 if predictions.positive is None else predictions.positive
            errors = (scores[:, positive] - (gold == positive)) ** 2
        else:
            errors = ((scores - (gold[:, None] == np.arange(scores.shape[1]))) ** 2).sum(axis=1)
        return np.stack([errors, np.ones_like(errors)], axis=1)

    def from_totals(self, totals: Floats) -> Floats:
        return ratio(totals[:, 0], totals[:, 1])
