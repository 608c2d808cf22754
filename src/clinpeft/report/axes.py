"""Axes with round numbers: of scores, and of costs, whose seconds stand in steps of the clock."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any

from clinpeft.report.wording import COST_WORDS, cost
from clinpeft.spec import CostField

LOG_FROM = 8.0
"""A cost axis is logarithmic when the largest is more than so many times the smallest."""
MOST_TICKS = 6
SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000, 86400, 172800, 432000, 864000)


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`."""
    if low == high:
        low, high = low - 0.05, high + 0.05
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(tick * step, 12) for tick in range(first, last + 1)]


def ticks(ends: tuple[float, float], most: int = 5) -> tuple[list[float], int]:
    """Round numbers within the ends, and how many digits they need."""
    found = [tick for tick in linear_ticks(*ends, most) if ends[0] - 1e-9 <= tick <= ends[1] + 1e-9]
    step = found[1] - found[0] if len(found) > 1 else 1.0
    return found, max(0, ceil(-log10(step) - 1e-9))


def rounded(value: float) -> float:
    """To six digits, which is more than a screen shows."""
    return float(f"{value:.6g}") + 0.0


def cost_axis(costs: Sequence[float], field: CostField) -> dict[str, Any]:
    """Plotly's axis of a cost from the costs that stand on it: linear from 0, or logarithmic (its range is then in
    powers of ten) where they are far apart."""
    low, high = min(costs), max(costs)
    if low > 0 and high / low > LOG_FROM:
        room = (high / low) ** 0.06
        ends, kind, words = (low / room, high * room), "log", " (log scale)"
        found, shown = _log_ticks(ends, field), [rounded(log10(end)) for end in ends]
    else:
        ends, kind, words = (0.0, high * 1.08 or 1.0), "linear", ""
        found, shown = _plain_ticks(ends[1], field), [rounded(end) for end in ends]
    return {
        "type": kind,
        "range": shown,
        "tickvals": found,
        "ticktext": [_tick(field, tick) for tick in found],
        "title": {"text": COST_WORDS[field] + words},
    }


def _log_ticks(ends: tuple[float, float], field: CostField) -> list[float]:
    powers = range(floor(log10(ends[0])), ceil(log10(ends[1])) + 1)
    found = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    if field.endswith("_seconds"):
        found = [tick for tick in found if tick < 1] + [float(second) for second in SECONDS]
    found = [tick for tick in found if ends[0] <= tick <= ends[1]]
    return found[:: ceil(len(found) / MOST_TICKS)] if found else []


def _plain_ticks(end: float, field: CostField) -> list[float]:
    steps = [step for step in SECONDS if end / step <= MOST_TICKS] if field.endswith("_seconds") else []
    if steps and end > 1:
        return [float(tick) for tick in range(0, floor(end) + 1, steps[0])]
    return [tick for tick in linear_ticks(0, end, MOST_TICKS) if tick <= end]


def _tick(field: CostField, value: float) -> str:
    if not field.endswith("_seconds") or value < 60:
        return f"{value:g} s" if field.endswith("_seconds") and (value >= 1 or value == 0) else cost(field, value)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value % size == 0:
            return f"{value // size:.0f} {unit}"
    return cost(field, value)
