"""Metrics that are functions of sums over examples, so that a bootstrap is one matrix product."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._absence import absence
from clinpeft.metrics.base import Floats, Metric, Predictions


class AdditiveMetric(Metric):
    """A metric computed from totals of per-example statistics (true positives, squared errors, …)."""

    degenerate: ClassVar[str]
    """Reason given when the totals leave the metric undefined."""

    def statistics(self, predictions: Predictions) -> Floats:
        """Float [n, m]: what each example adds to the totals."""
        raise NotImplementedError

    def from_totals(self, totals: Floats) -> Floats:
        """Float [B]: the metric from totals [B, m]; NaN where undefined."""
        raise NotImplementedError

    def undefined(self, predictions: Predictions) -> str | None:
        if reason := absence(predictions, self.kinds):
            return reason
        totals = self.statistics(predictions).sum(axis=0, keepdims=True)
        return self.degenerate if np.isnan(self.from_totals(totals)[0]) else None

    def values(self, predictions: Predictions, weights: Floats) -> Floats:
        totals: Floats = weights @ self.statistics(predictions)
        return self.from_totals(totals)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element by element; NaN where the denominator is 0."""
    result = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where all are."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))
