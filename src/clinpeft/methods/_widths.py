"""Block widths that fit a model's projections."""

from __future__ import annotations

import math
from collections.abc import Iterable


def largest_divisor(widths: Iterable[int], most: int) -> int:
    """The largest number up to `most` that divides every width.

    >>> largest_divisor([312, 1248], 128)
    104
    """
    common = math.gcd(*widths)
    return max(number for number in range(1, most + 1) if common % number == 0)
