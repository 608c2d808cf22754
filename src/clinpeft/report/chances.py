"""Each configuration's chance of standing on the Pareto front of its score against a cost."""

from __future__ import annotations

from collections.abc import Sequence

from clinpeft.report.contrasts import Contrast
from clinpeft.report.pareto import front_probability
from clinpeft.report.results import ResultRow
from clinpeft.spec import CostField


def front_chances(rows: Sequence[ResultRow], cost: CostField, paired: Sequence[Contrast]) -> list[float | None]:
    """Of rows of one task, split and metric whose costs may be compared; None for one that has no score, no interval of
    it, or no such cost. One without an interval stands still where the others' chances are counted."""
    points = [(row.quality, row.burden(cost)) for row in rows]
    spreads = [row.cost_deviation(cost) for row in rows]
    scored = [row for row in rows if row.mean is not None]
    held = next((contrast for contrast in paired if contrast.holds(*scored)), None) if scored else None
    noise = None if held is None else (1 if rows[0].higher_is_better else -1) * held.noise(rows)
    chances = front_probability(points, [row.deviation for row in rows], spreads, noise=noise)
    return [None if row.low is None else chance for row, chance in zip(rows, chances, strict=True)]
