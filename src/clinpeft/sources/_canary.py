"""The string that every invented note holds, so that a test can prove that no log, record or error repeats a note."""

from __future__ import annotations

CANARY = "ZQX-CANARY"


def canary(number: int) -> str:
    """The mark of one note.

    >>> canary(17)
    'ZQX-CANARY-000017'
    """
    return f"{CANARY}-{number:06d}"
