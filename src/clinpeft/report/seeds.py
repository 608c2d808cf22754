"""Seeds side by side: the mean of their middle half with its interval, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from clinpeft.frozen import Frozen
from clinpeft.report.results import ResultRow

LEAST = 3
"""Seeds; fewer have no middle."""
NUM_RESAMPLES = 2_000
BOOTSTRAP_SEED = 0
PERCENTILES = (2.5, 97.5)
TOO_FEW = "too few seeds"


class MiddleHalf(Frozen):
    """The interquartile mean of a configuration over its seeds (Agarwal et al. 2021, arXiv:2108.13264)."""

    model: str
    method: str
    runs: tuple[str, ...]
    value: float | None
    """The mean of the middle half, whose ends count in part."""
    low: float | None
    """95 % interval, from redrawing the configuration's own seeds: how far training's chance moves the value. The
    subjects' chance is not in it."""
    high: float | None
    num_seeds: int
    """That gave a value."""
    num_failed: int
    """That failed, diverged or are missing: counted, and not among the values."""
    reason: str | None = None
    """Why there is no value."""
    num_resamples: int = NUM_RESAMPLES
    bootstrap_seed: int = BOOTSTRAP_SEED


def middle_half(row: ResultRow) -> MiddleHalf:
    """Of one row; null with a reason where fewer than three seeds gave a value."""
    known = [value for value in row.per_seed if value is not None]
    value, low, high = middle_of(known)
    return MiddleHalf(
        model=row.model,
        method=row.method,
        runs=row.runs,
        value=value,
        low=low,
        high=high,
        num_seeds=len(known),
        num_failed=row.num_failed,
        reason=TOO_FEW if value is None else None,
    )


def middle_of(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """The interquartile mean and its 95 % percentile interval under resamples of the values; Nones below three.

    The same values and as many of them give the same draws: configurations are redrawn apart, and alike.
    """
    if len(values) < LEAST:
        return None, None, None
    import numpy as np

    weights = np.array(_weights(len(values)))
    draws = np.random.default_rng(BOOTSTRAP_SEED).integers(len(values), size=(NUM_RESAMPLES, len(values)))
    ordered = np.sort(values)
    redrawn = np.sort(ordered[draws], axis=1) @ weights
    low, high = np.percentile(redrawn, PERCENTILES)
    return float(ordered @ weights), float(low), float(high)


def spread_of_seeds(values: Sequence[float | None]) -> float | None:
    """Standard deviation over the seeds that gave a value; None with one."""
    known = [value for value in values if value is not None]
    return stdev(known, fmean(known)) if len(known) > 1 else None


def _weights(number: int) -> list[float]:
    """Of the sorted values; a quarter is cut from each end, where it need be a part of a value.

    >>> _weights(4)
    [0.0, 0.5, 0.5, 0.0]
    """
    quarter = number / 4
    kept = [max(0.0, min(place + 1, number - quarter) - max(float(place), quarter)) for place in range(number)]
    return [weight / sum(kept) for weight in kept]
