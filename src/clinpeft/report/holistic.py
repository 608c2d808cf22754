"""The holistic efficiency score of Taylor et al. (2024), kept to compare with; a Pareto front says more."""

from __future__ import annotations

from collections.abc import Sequence


def holistic_efficiency(
    seconds: Sequence[float], adapter_parameters: Sequence[float], total_parameters: Sequence[float]
) -> list[float]:
    """For each of n configurations a score from 0 (the least efficient of them) to 1 (the most).

    Each of the three is brought to [0, 1] over the configurations; the score is minus their mean, brought to [0, 1]
    again (arXiv 2402.10597, "holistic efficiency"). seconds: until the run's best validation score, evaluation left
    out. Where all configurations agree in one of the three it counts 0 for all; with fewer than two every score is 1.

    The score says nothing of a configuration alone: one more or one less beside it changes it (`shifts`).

    >>> holistic_efficiency([10, 20, 30], [1, 3, 2], [5, 5, 5])
    [1.0, 0.0, 0.0]
    """
    raw = [
        -sum(parts) / 3 for parts in zip(*map(_scaled, (seconds, adapter_parameters, total_parameters)), strict=True)
    ]
    return _scaled(raw) if len(set(raw)) > 1 else [1.0] * len(raw)


def shifts(
    seconds: Sequence[float], adapter_parameters: Sequence[float], total_parameters: Sequence[float]
) -> list[tuple[float, float]]:
    """For each configuration the lowest and the highest score that it has when any one of the others is left out;
    with fewer than three its score itself. How much the score hangs on the company it is in.
    """
    columns = [list(column) for column in (seconds, adapter_parameters, total_parameters)]
    number = len(columns[0])
    if number < 3:
        return [(score, score) for score in holistic_efficiency(*columns)]
    found: list[list[float]] = [[] for _ in range(number)]
    for out in range(number):
        rest = [column[:out] + column[out + 1 :] for column in columns]
        for place, score in enumerate(holistic_efficiency(*rest)):
            found[place + (place >= out)].append(score)
    return [(min(scores), max(scores)) for scores in found]


def _scaled(values: Sequence[float]) -> list[float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]
