"""The Metric interface and the arrays it works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from clinpeft.frozen import Frozen
from clinpeft.registry import Registry
from clinpeft.spec import Kind

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """Gold and predictions of one split, n examples, k labels; which fields are set depends on the kind.

    classification, pairs, relations: `gold` int [n], `scores` float [n, k] (probabilities that add up to 1).
    multilabel: `gold` int [n, k] of 0 and 1, `scores` float [n, k], `missing` bool [n, k] (True: nobody annotated it).
    entities: `gold_tags` and `predicted_tags`, n lists of IOB2 tags, equally long in pairs.
    """

    kind: Kind
    labels: tuple[str, ...]
    subjects: tuple[str, ...]
    gold: npt.NDArray[np.int64] | None = None
    scores: Floats | None = None
    missing: npt.NDArray[np.bool_] | None = None
    gold_tags: tuple[tuple[str, ...], ...] = ()
    predicted_tags: tuple[tuple[str, ...], ...] = ()
    word_ends: tuple[tuple[int, ...], ...] = ()
    """Of entities: where each word ends in the text, exclusive; empty where that is not known."""
    piece_counts: tuple[tuple[int, ...], ...] = ()
    """Of entities scored by word pieces: how many pieces each word has; the tags are then those of the pieces."""
    positive: int | None = None
    """Index of the positive class."""
    thresholds: Floats | None = None
    """Decision threshold per label [k] for multilabel and binary tasks; None means 0.5, or the highest score."""

    def __len__(self) -> int:
        return len(self.subjects)


class Metric(Frozen):
    """A quality measure: one file in `clinpeft/metrics/`, found by its name."""

    kinds: ClassVar[tuple[Kind, ...]]
    """Kinds of task it is defined for."""
    higher_is_better: ClassVar[bool] = True
    title: ClassVar[str]
    """What it says, in one line for a reader outside the field."""
    citation: ClassVar[str] = ""

    def undefined(self, predictions: Predictions) -> str | None:
        """Why the metric has no value on these predictions (`only one class present`), or None."""
        raise NotImplementedError

    def remark(self, predictions: Predictions) -> str | None:
        """What a reader must know beside the value (`over 12 of 14 labels`), or None."""
        return None

    def values(self, predictions: Predictions, weights: Floats) -> Floats:
        """The metric under B weightings of the n examples.

        weights: float [B, n], how often each example counts (a bootstrap resample, or one row of ones).
        Returns float [B]; NaN where a resample leaves the metric undefined.
        """
        raise NotImplementedError


APART = """
    calibration compare intervals net_benefit operating_point outcomes precision_recall subgroups thresholds
"""
"""Modules beside the metrics."""
METRICS: Registry[Metric] = Registry("metric", "clinpeft.metrics", Metric, apart=tuple(APART.split()))
