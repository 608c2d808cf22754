"""How long a stay in hospital lasts: the four classes of van Aken et al. 2021 (CORe), task LOS."""

from __future__ import annotations

from datetime import datetime, timedelta

from clinpeft.errors import BadInput
from clinpeft.sources._tables import Table

CLASSES = ("up to 3 days", "over 3 to 7 days", "over 7 to 14 days", "over 14 days")
LAST_DAYS = (3.0, 7.0, 14.0)


def class_of(stay: timedelta) -> str:
    """The class of a stay, in days rounded to one decimal as numpy rounds: half to even, after times ten.

    >>> class_of(timedelta(days=3.04)), class_of(timedelta(days=3.06))
    ('up to 3 days', 'over 3 to 7 days')
    """
    days = round(stay / timedelta(days=1) * 10) / 10
    return next((name for name, last in zip(CLASSES, LAST_DAYS, strict=False) if days <= last), CLASSES[-1])


def moment(cell: str, table: Table, line: int, column: str) -> datetime | None:
    """A date and time, with or without the zone that exports from a database add; None when the cell is NULL.

    Raises BadInput when the cell is neither.
    """
    if not cell:
        return None
    try:
        return datetime.fromisoformat(cell.removesuffix(" UTC")).replace(tzinfo=None)
    except ValueError:
        raise BadInput(f"{table.where(line)}, column {column}", "is no time (YYYY-MM-DD HH:MM:SS)") from None
