"""The Pareto front of quality against cost: what nothing else beats on both."""

from __future__ import annotations

from collections.abc import Sequence

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
    points: Sequence[Point], deviations: Sequence[float | None], *, num_draws: int = NUM_DRAWS, seed: int = 0
) -> list[float | None]:
    """For each point, the share of draws in which it stands on the front; None for a point that lacks a value.

    A draw replaces each quality q by one from Normal(q, deviation); costs stay as they are and draws are independent
    of each other, though all points were scored on the same subjects: a cautious picture. A deviation of None is 0.
    The same arguments give the same result.
    """
    import numpy as np

    known = [index for index, point in enumerate(points) if _known(point)]
    quality = np.array([points[index][0] for index in known], dtype=np.float64)
    cost = np.array([points[index][1] for index in known], dtype=np.float64)
    deviation = np.array([deviations[index] or 0.0 for index in known], dtype=np.float64)
    drawn = quality + deviation * np.random.default_rng(seed).standard_normal((num_draws, len(known)))
    result: list[float | None] = [None] * len(points)
    for place, index in enumerate(known):
        mine = drawn[:, place : place + 1]
        beaten = ((drawn >= mine) & (cost < cost[place])) | ((drawn > mine) & (cost <= cost[place]))
        result[index] = float(1 - beaten.any(axis=1).mean())
    return result


def _known(point: Point) -> bool:
    return point[0] is not None and point[1] is not None


def _dominates(other: Point, point: Point) -> bool:
    (quality, cost), (other_quality, other_cost) = point, other
    if quality is None or cost is None or other_quality is None or other_cost is None:
        return False
    return other_quality >= quality and other_cost <= cost and (other_quality > quality or other_cost < cost)
