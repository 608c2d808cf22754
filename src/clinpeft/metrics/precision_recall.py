"""How pure the flags are as more cases are found: the precision-recall curve with a band."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clinpeft.frozen import Frozen
from clinpeft.metrics.base import Floats
from clinpeft.metrics.intervals import PERCENTILES, weightings
from clinpeft.metrics.outcomes import Outcome

RECALLS = tuple(step / 40 for step in range(1, 41))


class PrecisionRecall(Frozen):
    """Precision at 40 levels of recall; the band holds 95 of 100 resamples at each."""

    label: str
    prevalence: float
    """The precision of guessing."""
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def precision_recall(outcome: Outcome, *, num_resamples: int = 2000, seed: int = 0) -> PrecisionRecall | None:
    """None where too few subjects have the label or lack it. At each recall, that of the highest threshold which finds
    at least so many cases; examples of equal score are flagged together."""
    if outcome.too_few():
        return None
    order = np.argsort(-outcome.probability, kind="stable")
    ranked = outcome.probability[order]
    ends = np.append(np.flatnonzero(ranked[:-1] > ranked[1:]), len(ranked) - 1)
    happened = outcome.happened[order].astype(np.float64)
    precision = _precisions(np.ones((1, len(outcome))), happened, ends)[0]
    subjects = tuple(outcome.subjects[place] for place in order)
    drawn = [_precisions(weights, happened, ends) for weights in weightings(subjects, num_resamples, seed)]
    low, high = np.nanpercentile(np.concatenate(drawn), PERCENTILES, axis=0) if drawn else (precision, precision)
    return PrecisionRecall(
        label=outcome.label,
        prevalence=float(outcome.happened.mean()),
        recall=RECALLS,
        precision=tuple(map(float, precision)),
        low=tuple(map(float, low)),
        high=tuple(map(float, high)),
    )


def _precisions(weights: Floats, happened: Floats, ends: npt.NDArray[np.int64]) -> Floats:
    """[B, recalls]: weights and outcomes by falling score; NaN for a resample without a case."""
    found = np.cumsum(weights * happened, axis=1)[:, ends]
    flagged = np.cumsum(weights, axis=1)[:, ends]
    result = np.full((len(weights), len(RECALLS)), np.nan)
    for row, (cases, everybody) in enumerate(zip(found, flagged, strict=True)):
        if cases[-1] > 0:
            place = np.searchsorted(cases, np.asarray(RECALLS) * cases[-1] * (1 - 1e-12))
            result[row] = cases[place] / everybody[place]
    return result
