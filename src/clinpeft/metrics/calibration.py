"""Whether probabilities mean what they say: of 100 patients given 20 %, 20 should have it.

After Van Calster et al. 2019 (doi:10.1186/s12916-019-1466-7): intercept and slope with intervals and a flexible curve.
The expected calibration error is given only beside what chance alone makes of it, since it is never 0 and larger with
fewer examples; nothing is ranked by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clinpeft.frozen import Frozen
from clinpeft.metrics.base import Floats
from clinpeft.metrics.intervals import PERCENTILES, summary, totals, weightings
from clinpeft.metrics.log_loss import SMALLEST
from clinpeft.metrics.outcomes import Outcome, masked
from clinpeft.record import Score

NEAREST_TO_CERTAIN = 1e-7
"""For logits, probabilities are kept so far from 0 and 1: what a float32 tells apart from certainty."""
NUM_BINS = 15
"""Of equal width, for the expected calibration error."""
NUM_BARS = 20
"""Of equal width, in the histogram."""
GRID = 41
SPAN = 0.75
"""Share of the examples that the curve looks at around each point (Cleveland 1979)."""
NULL_DRAWS = 1000
STEPS = 40
"""Of Newton's method at most; with separable classes it never ends, and the slope has no value."""
SETTLED = 1e-6
"""The step that ends it; the error left is about its square."""
FLAT = 1e-6
"""Mean variance of an answer below which everything is taken to be parted without error."""
LONGEST = 4.0
"""Of a step at first, in units of the logit's spread."""
CELLS = 100_000
"""Weights fitted at once: they stay in the processor's cache."""
NO_FIT = "no finite fit: the scores part the classes without error, or are all equal"


class Curve(Frozen):
    """Observed share against predicted probability, with a band that holds 95 of 100 resamples at each point."""

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Calibration(Frozen):
    """How far the probabilities of one label can be taken at their word."""

    label: str
    num_examples: int
    brier: Score
    brier_skill: Score
    """1 − Brier score ÷ that of always saying the label's share; 0 says no more than the share does."""
    log_loss: Score
    intercept: Score
    """At slope 1; 0 is right, below 0 the probabilities are too high on the whole."""
    slope: Score
    """1 is right, below 1 the probabilities are too extreme."""
    expected_error: float
    """Over 15 bins of equal width."""
    expected_error_by_chance: tuple[float, float]
    """Where it would lie in 95 of 100 draws were the probabilities right (examples drawn one by one)."""
    curve: Curve
    histogram: tuple[int | None, ...]
    """Examples in 20 equal steps of probability; null where they are fewer than 11."""

    @property
    def is_off(self) -> bool:
        """Whether the slope's interval excludes 1."""
        low, high = self.slope.low, self.slope.high
        return low is not None and high is not None and not low <= 1 <= high


def calibration(outcome: Outcome, *, num_resamples: int = 2000, seed: int = 0) -> Calibration | None:
    """The calibration of one label's probabilities; None where too few subjects have the label or lack it.

    Intervals are over subjects, as everywhere. The curve is a locally straight line (loess, degree 1).
    """
    if outcome.too_few():
        return None
    brier, skill, loss = _losses(outcome, num_resamples, seed)
    intercept, slope = _recalibration(outcome, num_resamples, seed)
    error, by_chance = _expected_error(outcome, seed)
    bars = np.histogram(outcome.probability, bins=NUM_BARS, range=(0, 1))[0].tolist()
    return Calibration(
        label=outcome.label,
        num_examples=len(outcome),
        brier=brier,
        brier_skill=skill,
        log_loss=loss,
        intercept=intercept,
        slope=slope,
        expected_error=error,
        expected_error_by_chance=by_chance,
        curve=_curve(outcome, num_resamples, seed),
        histogram=tuple(masked(bars)),
    )


def _losses(outcome: Outcome, num_resamples: int, seed: int) -> tuple[Score, Score, Score]:
    probability, happened = outcome.probability, outcome.happened.astype(np.float64)
    kept = np.clip(probability, SMALLEST, 1 - SMALLEST)
    surprise = -np.log(np.where(outcome.happened, kept, 1 - kept))
    statistics = np.stack([(probability - happened) ** 2, surprise, happened, np.ones(len(outcome))], axis=1)
    once, drawn = totals(statistics, outcome.subjects, num_resamples=num_resamples, seed=seed)
    values = [_three_losses(sums) for sums in (once[None, :], drawn)]
    brier, skill, loss = (
        summary(float(value[0]), draws, outcome.subjects, NO_FIT) for value, draws in zip(*values, strict=True)
    )
    return brier, skill, loss


def _three_losses(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """[B] each: Brier score, its skill, log loss."""
    brier, loss, share = (sums[:, place] / sums[:, 3] for place in range(3))
    blind = share * (1 - share)
    skill = np.full(len(sums), np.nan)
    np.divide(brier, blind, out=skill, where=blind > 0)
    return brier, 1 - skill, loss


def _recalibration(outcome: Outcome, num_resamples: int, seed: int) -> tuple[Score, Score]:
    """Intercept at slope 1, and slope, of a logistic regression of the outcome on the logit."""
    logit = logits(outcome.probability)
    unit = max(float(logit.std()), 1e-9)
    powers = np.stack([np.ones_like(logit), logit / unit, (logit / unit) ** 2], axis=1)
    happened = outcome.happened.astype(np.float64)
    once, share = np.ones((1, len(outcome))), happened.mean()
    values, drawn = [], []
    for start, is_free in (((0.0, unit), False), ((np.log(share / (1 - share)), 0.0), True)):
        (value,) = _fit(powers, happened, once, np.array(start), is_free)
        near = value if np.isfinite(value).all() else np.array(start)
        pieces = weightings(outcome.subjects, num_resamples, seed, cells=CELLS)
        fits = [_fit(powers, happened, weights, near, is_free) for weights in pieces]
        values.append(value)
        drawn.append(np.concatenate([np.zeros((0, 2)), *fits]))
    return (
        summary(float(values[0][0]), drawn[0][:, 0], outcome.subjects, NO_FIT),
        summary(float(values[1][1]) / unit, drawn[1][:, 1] / unit, outcome.subjects, NO_FIT),
    )


def logits(probability: Floats) -> Floats:
    """Log odds, finite also for 0 and 1."""
    kept = np.clip(probability, NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def _fit(powers: Floats, happened: Floats, weights: Floats, start: Floats, is_free: bool) -> Floats:
    """[B, 2]: intercept and slope of each weighting by Newton's method; NaN where it does not settle.

    powers: [n, 3], the logit to the power of 0, 1 and 2; is_free: whether the slope moves from where it starts. Where a
    step turns back, the next ones are held shorter, for with certain scores Newton's own overshoot.
    """
    beta, longest = np.tile(start, (len(weights), 1)), np.full((len(weights), 1), LONGEST)
    before, is_settled = np.zeros_like(beta), np.zeros(len(weights), dtype=bool)
    wanted = weights @ (powers[:, :2] * happened[:, None])
    for _ in range(STEPS):
        mean = _sigmoid(beta @ powers[:, :2].T)
        weighed = weights * mean
        curvature = (weighed - weighed * mean) @ powers
        step = _newton(wanted - weighed @ powers[:, :2], curvature, is_free)
        is_settled = (np.abs(step).max(axis=1) < SETTLED) & (curvature[:, 0] > FLAT * weights.sum(axis=1))
        step = np.nan_to_num(step, nan=0.0, posinf=0.0, neginf=0.0)
        turns = (step * before).sum(axis=1, keepdims=True) < 0
        longest = np.where(turns, longest / 2, longest)
        before = np.clip(step, -longest, longest)
        beta += before
        if is_settled.all():
            break
    return np.where(is_settled[:, None], beta, np.nan)


def _newton(gradient: Floats, curvature: Floats, is_free: bool) -> Floats:
    """[B, 2]; not finite where the curvature vanishes."""
    a, b, c = curvature.T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if not is_free:
            return np.stack([gradient[:, 0] / a, np.zeros_like(a)], axis=1)
        moves = [c * gradient[:, 0] - b * gradient[:, 1], a * gradient[:, 1] - b * gradient[:, 0]]
        return np.asarray(np.stack(moves, axis=1) / (a * c - b**2)[:, None])


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _expected_error(outcome: Outcome, seed: int) -> tuple[float, tuple[float, float]]:
    place = np.minimum((outcome.probability * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    is_in = (place[:, None] == np.arange(NUM_BINS)).astype(np.float64)
    drawn = np.random.default_rng(seed).random((NULL_DRAWS, len(outcome))) < outcome.probability
    low, high = np.percentile(_errors(outcome.probability, drawn, is_in), PERCENTILES)
    return float(_errors(outcome.probability, outcome.happened[None, :], is_in)[0]), (float(low), float(high))


def _errors(probability: Floats, happened: npt.NDArray[np.bool_], is_in: Floats) -> Floats:
    """[B]: the bins' |observed − predicted|, weighted with their sizes."""
    return np.asarray(np.abs((happened - probability) @ is_in).sum(axis=1) / len(probability))


def _curve(outcome: Outcome, num_resamples: int, seed: int) -> Curve:
    first, last = np.quantile(outcome.probability, (0.02, 0.98)).tolist()
    points = np.linspace(first, last, GRID)
    moments = _moments(outcome.probability, outcome.happened.astype(np.float64), points)
    once, drawn = totals(moments, outcome.subjects, num_resamples=num_resamples, seed=seed)
    observed, draws = (_straight_lines(sums, len(points)) for sums in (once[None, :], drawn))
    # Where all predictions are alike there is one point, and a resample may miss it.
    known = np.isfinite(observed[0]) & (np.isfinite(draws).mean(axis=0) > 0.5 if len(draws) else True)
    low, high = np.nanpercentile(draws[:, known], PERCENTILES, axis=0) if len(draws) else (observed[0, known],) * 2
    return Curve(
        predicted=_rounded(points[known]),
        observed=_rounded(observed[0, known]),
        low=_rounded(low),
        high=_rounded(high),
    )


def _moments(x: Floats, y: Floats, points: Floats) -> Floats:
    """[n, 5 G]: what each example adds to the sums that a straight line around each point is fitted from."""
    apart = np.abs(x[:, None] - points)
    nearest = min(len(x), max(2, int(np.ceil(SPAN * len(x)))))
    width = np.maximum(np.sort(apart, axis=0)[nearest - 1] * (1 + 1e-9), 1e-6)
    kernel = np.clip(1 - (apart / width) ** 3, 0, None) ** 3
    away = x[:, None] - points
    return np.concatenate(
        [kernel, kernel * away, kernel * away**2, kernel * y[:, None], kernel * away * y[:, None]], axis=1
    )


def _straight_lines(sums: Floats, num_points: int) -> Floats:
    """[B, G]: the height of each line at its point, within 0 and 1; NaN where no example is near."""
    s0, s1, s2, t0, t1 = (sums[:, k * num_points : (k + 1) * num_points] for k in range(5))
    determinant = s0 * s2 - s1**2
    is_line = determinant > 1e-12 * np.maximum(s0, 1e-300) ** 2
    level, line = np.full(s0.shape, np.nan), np.full(s0.shape, np.nan)
    np.divide(t0, s0, out=level, where=s0 > 0)
    np.divide(s2 * t0 - s1 * t1, determinant, out=line, where=is_line)
    return np.clip(np.where(is_line, line, level), 0.0, 1.0)


def _rounded(values: Sequence[float] | Floats) -> tuple[float, ...]:
    """To six places: for drawing."""
    return tuple(round(float(value), 6) for value in values)
