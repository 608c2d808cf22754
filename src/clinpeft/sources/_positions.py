"""How errors name places: the first twenty and a count."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 20


def listed(noun: str, positions: Sequence[int]) -> str:
    """`row 3`, `rows 3, 7`, or the first 20 with how many there are in all.

    >>> listed("row", [3, 7])
    'rows 3, 7'
    """
    shown = ", ".join(str(position) for position in positions[:SHOWN])
    if len(positions) == 1:
        return f"{noun} {shown}"
    return f"{noun}s {shown}" + (f", … ({len(positions):,} in all)" if len(positions) > SHOWN else "")
