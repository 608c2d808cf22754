"""The Pareto front of quality against cost: what nothing else beats on both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clinpeft.metrics.base import Floats

Point = tuple[float | None, float | None]
"""(quality, cost): more quality and less cost are better; a point that lacks either is on no front."""

NUM_DRAWS = 1_000


def front(points: Sequence[Point]) -> list[bool]:
    """For each point, whether no other has at least its quality at no more than its cost, and beats it in one of them.

    Equal points stand on the front together. An empty list gives an empty list.

    >>> front([(0.9, 10.0), (0.8, 2.0), (0.7, 5.0), (None, 1.0)])
    [True, True, False, False]
    """
    return [_known(point) and not any(_dominates(other, point) for other in points) for point in points]


def front_probability(
    points: Sequence[Point],
    deviations: Sequence[float | None],
    cost_deviations: Sequence[float | None] | None = None,
    *,
    noise: Floats | None = None,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> list[float | None]:
    """For each point, the share of draws in which it stands on the front; None for a point that lacks a value.

    A draw moves each quality and each cost. noise: float [points, draws], by how much the qualities move, drawn jointly
    for points that were scored on the same subjects; without it, each moves by Normal(0, deviation) for itself, which
    is cautious. Costs move by Normal(0, cost deviation). A deviation of None is 0. The same arguments give the same
    result.
    """
    import numpy as np

    known = [index for index, point in enumerate(points) if _known(point)]
    generator = np.random.default_rng(seed)

    def moved(values: list[float | None], spread: Sequence[float | None]) -> Floats:
        scale = np.array([spread[index] or 0.0 for index in known], dtype=np.float64)
        return np.array(values, dtype=np.float64) + scale * generator.standard_normal((num_draws, len(known)))

    if noise is not None:
        num_draws = noise.shape[1]
        quality = np.array([points[index][0] for index in known], dtype=np.float64) + noise[known].T
    else:
        quality = moved([points[index][0] for index in known], deviations)
    cost = moved([points[index][1] for index in known], cost_deviations or [None] * len(points))
    result: list[float | None] = [None] * len(points)
    for place, index in enumerate(known):
        better, cheaper = quality >= quality[:, [place]], cost <= cost[:, [place]]
        beaten = better & cheaper & ((quality > quality[:, [place]]) | (cost < cost[:, [place]]))
        result[index] = float(1 - beaten.any(axis=1).mean())
    return result


def _known(point: Point) -> bool:
    return point[0] is not None and point[1] is not None


def _dominates(other: Point, point: Point) -> bool:
    (quality, cost), (other_quality, other_cost) = point, other
    if quality is None or cost is None or other_quality is None or other_cost is None:
        return False
    return other_quality >= quality and other_cost <= cost and (other_quality > quality or other_cost < cost)
