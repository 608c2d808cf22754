"""Methods at a like number of trained parameters, so that a method is not called better for being larger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from clinpeft.report.results import ResultRow

FACTOR = 2.0
"""Two counts are alike when neither is more than so many times the other."""


@dataclass(frozen=True)
class Match:
    """One model's methods, each with its configuration nearest to `trainable_parameters`."""

    model: str
    trainable_parameters: int
    rows: tuple[ResultRow, ...]
    """One a method, best first."""
    left_out: tuple[str, ...]
    """Methods without a configuration of like size."""


def matched(rows: Sequence[ResultRow]) -> list[Match]:
    """For each model, methods at the count that most of them come near to (of equals, the smallest).

    rows: of one task, split and metric. Baselines and configurations without a score take no part; nor does a model
    of which fewer than two methods are alike.
    """
    known = [row for row in rows if row.mean is not None and row.trainable_parameters and not row.is_baseline]
    result = []
    for model in dict.fromkeys(row.model for row in known):
        own = [row for row in known if row.model == model]
        counts = sorted({row.trainable_parameters or 0 for row in own})
        target = max(counts, key=lambda count: (len(_near(own, count)), -count))
        near = _near(own, target)
        if len(near) > 1:
            best_first = sorted(near.values(), key=lambda row: (-(row.quality or 0.0), row.method))
            others = tuple(dict.fromkeys(row.method for row in own if row.method not in near))
            result.append(Match(model, target, tuple(best_first), others))
    return result


def _near(rows: Sequence[ResultRow], target: int) -> dict[str, ResultRow]:
    """The configuration of each method that comes nearest to `target`, where it is alike."""
    found: dict[str, ResultRow] = {}
    for row in sorted(rows, key=lambda row: _distance(row, target)):
        if _distance(row, target) <= log(FACTOR):
            found.setdefault(row.method, row)
    return found


def _distance(row: ResultRow, target: int) -> float:
    return abs(log((row.trainable_parameters or 1) / target))
