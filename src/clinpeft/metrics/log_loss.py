"""Log loss."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import AdditiveMetric, ratio
from clinpeft.metrics._decisions import annotated, gold_of, scores_of
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are kept so far from 0 and 1, as sklearn does it: a wrong answer given for certain costs 36."""


class LogLoss(AdditiveMetric):
    """Mean negative logarithm of the probability given to what happened: 0 is perfect, and lower is better.

    Equal to sklearn's `log_loss`. Multi-label: mean over the annotated cells, each a question of its own.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs", "multilabel")
    higher_is_better: ClassVar[bool] = False
    degenerate: ClassVar[str] = "no label was annotated"
    title: ClassVar[str] = "surprise at what happened: being sure and wrong costs most"
    citation: ClassVar[str] = "Good 1952, doi:10.1111/j.2517-6161.1952.tb00104.x"

    def statistics(self, predictions: Predictions) -> Floats:
        """Float [n, 2]: the losses, and over how many they are averaged."""
        gold, scores = gold_of(predictions), np.clip(scores_of(predictions), SMALLEST, 1 - SMALLEST)
        if predictions.kind == "multilabel":
            cells = annotated(predictions)
            losses = -np.log(np.where(gold == 1, scores, 1 - scores))
            return np.stack([(losses * cells).sum(axis=1), cells.sum(axis=1)], axis=1)
        losses = -np.log(scores[np.arange(len(gold)), gold])
        return np.stack([losses, np.ones_like(losses)], axis=1)

    def from_totals(self, totals: Floats) -> Floats:
        return ratio(totals[:, 0], totals[:, 1])
