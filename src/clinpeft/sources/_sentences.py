"""Sentences and words of running text, for formats that bring documents without either."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BREAK = re.compile(r"""\n+|(?:(?<=[.!?])|(?<=[.!?]["')\]]))\s+(?=["'(\[]?[A-Z0-9])""")
ABBREVIATION = re.compile(r"(?:\b(?:Drs?|Mrs?|Ms|Prof|St|No|Nos|Fig|Figs|vs|cf|ca|approx|al|e\.g|i\.e)|\b[A-Z])\.$")
_WORD = re.compile(r"\w+|[^\w\s]")


def sentences_in(text: str, whole: Iterable[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """Offsets of the sentences of `text`, without the blanks around them; a line break ends one as well.

    whole: stretches (entities) that no sentence may cut; the sentences on both sides of such a cut become one.
    Blank text has no sentences.

    >>> sentences_in("No fever. Dr. Wu saw him.", [])
    [(0, 9), (10, 25)]
    """
    breaks = [(found.start(), found.end()) for found in _BREAK.finditer(text)]
    breaks = [place for place in breaks if not ABBREVIATION.search(text, max(0, place[0] - 10), place[0])]
    for start, end in whole:
        breaks = [place for place in breaks if not (start < place[1] and place[0] < end)]
    edges = [0, *(edge for place in breaks for edge in place), len(text)]
    pieces = [_stripped(text, start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return [(start, end) for start, end in pieces if start < end]


def words_in(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Offsets of the words and single punctuation marks of `text[start:end]`."""
    return [found.span() for found in _WORD.finditer(text, start, end)]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
