"""Scores with 95 % intervals: a percentile bootstrap that draws whole subjects, never single examples.

Examples of one subject resemble each other, so resampling them one by one gives intervals several times too narrow
(Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from clinpeft.metrics._additive import AdditiveMetric
from clinpeft.metrics.base import METRICS, Floats, Metric, Predictions
from clinpeft.record import Score

PERCENTILES = (2.5, 97.5)
CELLS = 4_000_000
"""Weights held at once: 32 MB."""


def resample_weights(subjects: Sequence[str], num_resamples: int, seed: int) -> Floats:
    """Float [num_resamples, n]: how often each example counts when subjects are drawn with replacement.

    The same subjects and seed give the same draws, in whatever order the examples stand: two models that are compared
    on them are compared on the same resamples.
    """
    names, of_example = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    return _subject_counts(len(names), num_resamples, seed)[:, of_example].astype(np.float64)


def score(metric: Metric, predictions: Predictions, *, num_resamples: int = 2000, seed: int = 0) -> Score:
    """The metric's value with its 95 % interval over subjects.

    Undefined is null with a reason. The interval alone is null with one subject, and when more than half of the
    resamples leave the metric undefined; fewer undefined resamples are left out of it. 0 resamples: the value alone.
    """
    return _scores({"metric": metric}, predictions, num_resamples, seed)["metric"]


def scores(
    names: Iterable[str], predictions: Predictions, *, num_resamples: int = 2000, seed: int = 0
) -> dict[str, Score]:
    """`score` for several metrics by name, on the same resamples. Raises UnknownName."""
    return _scores({name: METRICS.get(name)() for name in names}, predictions, num_resamples, seed)


def resampled(
    metric: Metric, predictions: Predictions, *, num_resamples: int = 2000, seed: int = 0
) -> tuple[float, Floats] | None:
    """The metric's value and its values [num_resamples] under resamples of the subjects; None where it is undefined.

    Two models with predictions for the same subjects are resampled alike, so that their values can be paired.
    """
    if metric.undefined(predictions) is not None:
        return None
    return _resampled({"metric": metric}, predictions, num_resamples, seed)[1]["metric"]


def weightings(subjects: Sequence[str], num_resamples: int, seed: int = 0, *, cells: int = CELLS) -> Iterator[Floats]:
    """`resample_weights` a few resamples at a time, so that many examples do not fill the memory; at most `cells`
    weights at once, but at least one resample."""
    names, of_example = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    counts = _subject_counts(len(names), num_resamples, seed)
    pieces = _pieces(counts, len(of_example), cells)
    return (counts[rows][:, of_example].astype(np.float64) for rows in pieces)


def totals(
    statistics: Floats, subjects: Sequence[str], *, num_resamples: int = 2000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Sums [m] of statistics [n, m] over the examples, and those [num_resamples, m] of each resample."""
    names, of_example = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    counts = _subject_counts(len(names), num_resamples, seed)
    return statistics.sum(axis=0), _resampled_totals(statistics, counts, of_example)


def summary(value: float, resampled: Floats, subjects: Sequence[str], reason: str) -> Score:
    """A value with the 95 % interval that its values under the resamples span; `reason` says why it is NaN."""
    num_subjects = len(set(subjects))
    if not np.isfinite(value):
        return Score(value=None, num_subjects=num_subjects, reason=reason)
    low, high, why_not = _interval(resampled, num_subjects)
    return Score(value=value, low=low, high=high, num_subjects=num_subjects, reason=why_not)


def _scores(metrics: Mapping[str, Metric], predictions: Predictions, num_resamples: int, seed: int) -> dict[str, Score]:
    reasons = {name: metric.undefined(predictions) for name, metric in metrics.items()}
    defined = {name: metric for name, metric in metrics.items() if reasons[name] is None}
    num_subjects, results = _resampled(defined, predictions, num_resamples, seed)
    return {
        name: _summary(metric, predictions, num_subjects, *results[name])
        if name in results
        else Score(value=None, num_subjects=num_subjects, reason=reasons[name])
        for name, metric in metrics.items()
    }


def _resampled(
    metrics: Mapping[str, Metric], predictions: Predictions, num_resamples: int, seed: int
) -> tuple[int, dict[str, tuple[float, Floats]]]:
    """How many subjects there are; and of each metric the value, and the values of the resamples."""
    names, of_example = np.unique(np.asarray(predictions.subjects, dtype=str), return_inverse=True)
    counts = _subject_counts(len(names), num_resamples, seed)
    additive = {name: metric for name, metric in metrics.items() if isinstance(metric, AdditiveMetric)}
    other = {name: metric for name, metric in metrics.items() if name not in additive}
    results = {name: _bootstrap_totals(metric, predictions, counts, of_example) for name, metric in additive.items()}
    return len(names), results | _bootstrap(other, predictions, counts, of_example)


def _bootstrap_totals(
    metric: AdditiveMetric, predictions: Predictions, counts: npt.NDArray[np.uint16], of_example: npt.NDArray[np.intp]
) -> tuple[float, Floats]:
    """The value, and the values of the resamples, from statistics added up by subject first."""
    statistics = metric.statistics(predictions)
    resampled = metric.from_totals(_resampled_totals(statistics, counts, of_example))
    return float(metric.from_totals(statistics.sum(axis=0, keepdims=True))[0]), resampled


def _resampled_totals(statistics: Floats, counts: npt.NDArray[np.uint16], of_example: npt.NDArray[np.intp]) -> Floats:
    by_subject = np.zeros((counts.shape[1], statistics.shape[1]))
    np.add.at(by_subject, of_example, statistics)
    nothing = np.zeros((0, statistics.shape[1]))
    return np.concatenate([nothing, *(counts[rows] @ by_subject for rows in _pieces(counts, max(by_subject.shape)))])


def _bootstrap(
    metrics: Mapping[str, Metric],
    predictions: Predictions,
    counts: npt.NDArray[np.uint16],
    of_example: npt.NDArray[np.intp],
) -> dict[str, tuple[float, Floats]]:
    """The same for any metric, from the weight of every example; all share the weights."""
    resampled: dict[str, list[Floats]] = {name: [] for name in metrics}
    for rows in _pieces(counts, len(predictions)) if metrics else ():
        weights = counts[rows][:, of_example].astype(np.float64)
        for name, metric in metrics.items():
            resampled[name].append(metric.values(predictions, weights))
    once = np.ones((1, len(predictions)))
    return {
        name: (float(metric.values(predictions, once)[0]), np.concatenate([[], *resampled[name]]))
        for name, metric in metrics.items()
    }


def _pieces(counts: npt.NDArray[np.uint16], width: int, cells: int = CELLS) -> Iterator[slice]:
    step = max(1, cells // max(1, width))
    return (slice(start, start + step) for start in range(0, len(counts), step))


@lru_cache(maxsize=2)
def _subject_counts(num_subjects: int, num_resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    """[num_resamples, num_subjects]: how often each subject is drawn."""
    generator = np.random.default_rng(seed)
    counts = np.zeros((num_resamples, num_subjects), dtype=np.uint16)
    for row in counts if num_subjects else ():
        row[:] = np.bincount(generator.integers(num_subjects, size=num_subjects), minlength=num_subjects)
    counts.flags.writeable = False
    return counts


def _summary(metric: Metric, predictions: Predictions, num_subjects: int, value: float, resampled: Floats) -> Score:
    if np.isnan(value):
        return Score(value=None, num_subjects=num_subjects, reason="undefined on these predictions")
    low, high, why_not = _interval(resampled, num_subjects)
    reason = "; ".join(note for note in (metric.remark(predictions), why_not) if note) or None
    return Score(value=value, low=low, high=high, num_subjects=num_subjects, reason=reason)


def _interval(resampled: Floats, num_subjects: int) -> tuple[float | None, float | None, str | None]:
    """Low, high, and why there is none."""
    if len(resampled) == 0:
        return None, None, None
    if num_subjects == 1:
        return None, None, "no interval from one subject"
    finite = resampled[~np.isnan(resampled)]
    if len(finite) * 2 < len(resampled):
        return None, None, f"no interval: undefined in {1 - len(finite) / len(resampled):.0%} of the resamples"
    low, high = np.percentile(finite, PERCENTILES)
    return float(low), float(high), None
