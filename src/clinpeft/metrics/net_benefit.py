"""Whether acting on a model does more good than harm: net benefit over a range of thresholds.

Vickers and Elkin 2006, doi:10.1177/0272989X06295361: a threshold of 10 % says that one case found is worth nine false
alarms. The curve is compared with treating everybody and with treating nobody (whose net benefit is 0).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clinpeft.frozen import Frozen
from clinpeft.metrics.base import Floats
from clinpeft.metrics.intervals import PERCENTILES, totals
from clinpeft.metrics.outcomes import Outcome

THRESHOLDS = tuple(step / 100 for step in range(1, 51))
"""1 % to 50 %, stated beforehand: where a false alarm costs less than a missed case."""

ROUNDING = 1e-12
"""A difference in net benefit that is none."""


class DecisionCurve(Frozen):
    """Net benefit per example at each threshold probability; treating nobody is 0 everywhere."""

    label: str
    thresholds: tuple[float, ...]
    model: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    treat_all: tuple[float, ...]
    alert_rate: tuple[float, ...]

    @property
    def useful(self) -> tuple[float, float] | None:
        """The longest stretch of thresholds at which the model is better than treating everybody and than treating
        nobody, by its mean; None when there is none."""
        is_better = [
            mine > max(0.0, everybody) + ROUNDING for mine, everybody in zip(self.model, self.treat_all, strict=True)
        ]
        best, start = (0, 0), 0
        for place, better in enumerate((*is_better, False)):
            if better:
                continue
            best = max(best, (place - start, -start))
            start = place + 1
        length, first = best[0], -best[1]
        return (self.thresholds[first], self.thresholds[first + length - 1]) if length else None


def decision_curve(
    outcome: Outcome, thresholds: Sequence[float] = THRESHOLDS, *, num_resamples: int = 2000, seed: int = 0
) -> DecisionCurve | None:
    """Equal to dcurves' `dca`; None where too few subjects have the label or lack it.

    thresholds: between 0 and 1, both excluded. An example at the threshold is treated.
    """
    if outcome.too_few():
        return None
    cuts = np.asarray(thresholds, dtype=np.float64)
    treated = outcome.probability[:, None] >= cuts
    happened = outcome.happened[:, None]
    statistics = np.concatenate([treated & happened, treated & ~happened], axis=1).astype(np.float64)
    counted = np.concatenate([statistics, happened, np.ones_like(happened)], axis=1)
    once, drawn = totals(counted, outcome.subjects, num_resamples=num_resamples, seed=seed)
    odds = cuts / (1 - cuts)
    model, draws = _benefit(once[None, :], odds)[0], _benefit(drawn, odds)
    low, high = np.percentile(draws, PERCENTILES, axis=0) if num_resamples else (model, model)
    share = once[-2] / once[-1]
    alerts = (once[: len(cuts)] + once[len(cuts) : 2 * len(cuts)]) / once[-1]
    return DecisionCurve(
        label=outcome.label,
        thresholds=tuple(map(float, cuts)),
        model=tuple(map(float, model)),
        low=tuple(map(float, low)),
        high=tuple(map(float, high)),
        treat_all=tuple(map(float, share - (1 - share) * odds)),
        alert_rate=tuple(map(float, alerts)),
    )


def _benefit(sums: Floats, odds: Floats) -> Floats:
    k = len(odds)
    return np.asarray((sums[:, :k] - sums[:, k : 2 * k] * odds) / sums[:, [-1]])
