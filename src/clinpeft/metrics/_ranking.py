"""Metrics of how well scores rank positives above negatives: one label at a time, then averaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from clinpeft.metrics._absence import absence
from clinpeft.metrics._additive import ratio
from clinpeft.metrics._decisions import annotated, gold_of, scores_of
from clinpeft.metrics.base import Floats, Metric, Predictions
from clinpeft.spec import Kind

Indices = npt.NDArray[np.int64]
CELLS = 250_000
"""Weights copied at once (2 MB); more takes memory and, measured at n = 5,000, saves no time."""


@dataclass(frozen=True)
class Ranked:
    """One label's positives and negatives in ascending order of score, and where each positive stands."""

    positives: Indices
    negatives: Indices
    cuts: Indices
    """Where a positive stands between negatives (0 for below all), each place once, ascending."""
    below: Indices
    """Per positive: index into `cuts` (their number for the end) such that the negatives before it score less."""
    up_to: Indices
    """The same for the negatives that score no more (ties included)."""
    positives_below: Indices
    """Per positive: how many positives score less."""

    @property
    def is_defined(self) -> bool:
        return len(self.positives) > 0 and len(self.negatives) > 0


class RankingMetric(Metric):
    """Averaged with equal weight over the labels that have a positive and a negative; one label for a binary task."""

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs", "multilabel")

    def of_label(self, ranked: Ranked, positives: Floats, negatives: Floats) -> Floats:
        """Float [B] from the positives' weights [B, positives] and the weight of the negatives before each cut
        [B, cuts + 1], the last column being all of them; both sides weigh more than 0, or the result is not used.
        """
        raise NotImplementedError

    def ranked(self, predictions: Predictions) -> Iterator[Ranked]:
        """What is averaged over: the positive class of a binary task, else every label or class against the rest."""
        return _one_against_the_rest(predictions)

    def undefined(self, predictions: Predictions) -> str | None:
        if reason := absence(predictions, self.kinds):
            return reason
        labels = list(self.ranked(predictions))
        if any(label.is_defined for label in labels):
            return None
        if len(labels) > 1:
            return "no label has both a positive and a negative example"
        return "no positive example" if len(labels[0].positives) == 0 else "no negative example"

    def remark(self, predictions: Predictions) -> str | None:
        defined = [label.is_defined for label in self.ranked(predictions)]
        return None if all(defined) else f"over {sum(defined)} of {len(defined)} labels; the others have one class only"

    def values(self, predictions: Predictions, weights: Floats) -> Floats:
        sums, counts = np.zeros(len(weights)), np.zeros(len(weights))
        step = max(1, CELLS // max(1, len(predictions)))
        for label in self.ranked(predictions):
            if not label.is_defined:
                continue
            for start in range(0, len(weights), step):
                rows = slice(start, start + step)
                positives = weights[rows][:, label.positives]
                negatives = cumulated(np.add.reduceat(weights[rows][:, label.negatives], label.cuts, axis=1))
                is_defined = (positives.sum(axis=1) > 0) & (negatives[:, -1] > 0)
                sums[rows] += np.where(is_defined, self.of_label(label, positives, negatives), 0.0)
                counts[rows] += is_defined
        return ratio(sums, counts)


def cumulated(weights: Floats) -> Floats:
    """Float [B, n + 1]: column i is the weight of the first i columns."""
    totals = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=totals[:, 1:])
    return totals


def _one_against_the_rest(predictions: Predictions) -> Iterator[Ranked]:
    gold, scores = gold_of(predictions), scores_of(predictions)
    if predictions.kind == "multilabel":
        cells = annotated(predictions)
        for label in range(scores.shape[1]):
            yield rank(
                scores[:, label], (gold[:, label] == 1) & cells[:, label], (gold[:, label] != 1) & cells[:, label]
            )
        return
    for label in range(scores.shape[1]) if predictions.positive is None else [predictions.positive]:
        yield rank(scores[:, label], gold == label, gold != label)


def rank(scores: Floats, is_positive: npt.NDArray[np.bool_], is_negative: npt.NDArray[np.bool_]) -> Ranked:
    """The examples of two groups in order of their scores for one label."""
    positives, negatives = (
        rows[np.argsort(scores[rows], kind="stable")]
        for rows in (np.flatnonzero(is_positive), np.flatnonzero(is_negative))
    )
    below, up_to = (np.searchsorted(scores[negatives], scores[positives], side=side) for side in ("left", "right"))
    cuts = np.unique(np.concatenate([[0], below, up_to]))
    cuts = cuts[cuts < len(negatives)]
    return Ranked(
        positives,
        negatives,
        cuts,
        below=np.searchsorted(cuts, below),
        up_to=np.searchsorted(cuts, up_to),
        positives_below=np.searchsorted(scores[positives], scores[positives]),
    )
