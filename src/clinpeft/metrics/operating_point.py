"""What a model does at one threshold: whom it flags, whom it misses, and how often a flag is right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clinpeft.frozen import Frozen
from clinpeft.metrics._additive import ratio
from clinpeft.metrics.base import Floats
from clinpeft.metrics.intervals import summary, totals
from clinpeft.metrics.outcomes import Outcome
from clinpeft.record import Score


class OperatingPoint(Frozen):
    """One label's answers at a threshold that was fixed beforehand."""

    label: str
    threshold: float | None
    """Null where the highest of several scores decides."""
    prevalence: Score
    alert_rate: Score
    """Share of examples that get the label."""
    sensitivity: Score
    specificity: Score
    ppv: Score
    """Share of those with the label given that have it."""
    npv: Score


def operating_point(outcome: Outcome, *, num_resamples: int = 2000, seed: int = 0) -> OperatingPoint | None:
    """At the outcome's own threshold; None where too few subjects have the label or lack it."""
    if outcome.too_few():
        return None
    return _at(outcome, outcome.decided, outcome.threshold, num_resamples, seed)


def at_threshold(
    outcome: Outcome, threshold: float, *, num_resamples: int = 2000, seed: int = 0
) -> OperatingPoint | None:
    """At another threshold, which must come from other examples than these to be a fair account."""
    if outcome.too_few():
        return None
    return _at(outcome, outcome.probability >= threshold, threshold, num_resamples, seed)


def threshold_for_alert_rate(outcome: Outcome, rate: float) -> float:
    """The lowest threshold that flags at most `rate` of the examples; equal scores are never parted.

    Halfway to the next score below, so that a score stored as float32 falls on the same side. Above 1 when even the
    highest score is shared by too many. Meant for validation. Raises ValueError for a rate outside 0 to 1.
    """
    if not 0 <= rate <= 1:
        raise ValueError("an alert rate lies between 0 and 1")
    scores, counts = np.unique(outcome.probability, return_counts=True)
    flagged = np.cumsum(counts[::-1])[::-1]
    allowed = np.flatnonzero(flagged <= rate * len(outcome) + 1e-9)
    if len(allowed) == 0:
        return float(np.nextafter(max(1.0, scores[-1]), 2.0))
    place = int(allowed[0])
    return float((scores[place] + scores[place - 1]) / 2) if place else 0.0


def ppv_at(point: OperatingPoint, prevalence: float) -> float | None:
    """How often a flag would be right where the label is as common as `prevalence`, sensitivity and specificity being
    the same; None where one of them is unknown or nobody is flagged.

    >>> from clinpeft.record import Score
    >>> half = Score(value=0.5, num_subjects=9)
    >>> point = OperatingPoint(label="yes", threshold=0.5, prevalence=half, alert_rate=half, sensitivity=half,
    ...     specificity=Score(value=0.9, num_subjects=9), ppv=half, npv=half)
    >>> round(ppv_at(point, 0.1), 3)
    0.357
    """
    sensitivity, specificity = point.sensitivity.value, point.specificity.value
    if sensitivity is None or specificity is None:
        return None
    right, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    return right / (right + wrong) if right + wrong else None


def _at(
    outcome: Outcome, decided: npt.NDArray[np.bool_], threshold: float | None, num_resamples: int, seed: int
) -> OperatingPoint:
    happened = outcome.happened
    cells = [decided & happened, decided & ~happened, ~decided & happened, ~decided & ~happened]
    statistics = np.stack(cells, axis=1).astype(np.float64)
    once, drawn = totals(statistics, outcome.subjects, num_resamples=num_resamples, seed=seed)
    values, draws = _shares(once[None, :]), _shares(drawn)
    scores = {
        name: summary(float(values[name][0]), draws[name], outcome.subjects, REASONS.get(name, "")) for name in values
    }
    return OperatingPoint(label=outcome.label, threshold=threshold, **scores)


REASONS = {"ppv": "nobody is flagged", "npv": "everybody is flagged"}


def _shares(sums: Floats) -> dict[str, Floats]:
    """From sums [B, 4] of true and false positives, false and true negatives."""
    hit, false_alarm, missed, passed = sums.T
    everybody = sums.sum(axis=1)
    return {
        "prevalence": ratio(hit + missed, everybody),
        "alert_rate": ratio(hit + false_alarm, everybody),
        "sensitivity": ratio(hit, hit + missed),
        "specificity": ratio(passed, passed + false_alarm),
        "ppv": ratio(hit, hit + false_alarm),
        "npv": ratio(passed, passed + missed),
    }
