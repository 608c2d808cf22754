"""The sections of a note, and which of them are read when not all fit."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from clinpeft.data.card import Card
from clinpeft.errors import UnknownName
from clinpeft.tasks.base import TASKS

# Where lines begin; in collections of transcripts whose line breaks became commas, a comma without a blank after it.
_LINE = r"(?:\A[ \t]*|\n[ \t]*|,(?=\S))"
_CAPITALS = re.compile(_LINE + r"([A-Z][A-Z0-9 /&()'.\-]{1,60}?)[ \t]*(?::|(?=\n))")
_TITLE = re.compile(r"(?:\A|\n)[ \t]*([A-Z][A-Za-z0-9 /&()'\-]{2,50}?)[ \t]*:")
MOST_REPEATS = 2
"""A line that starts alike more often is no heading: the turns of a conversation, the names of single findings."""


@dataclass(frozen=True)
class Section:
    """A heading and what follows it, up to the next one; code points, end exclusive."""

    start: int
    end: int
    rank: int
    """0 is read first; sections of one rank in the order of the text."""


def ranked_headings(card: Card) -> tuple[str, ...]:
    """The headings that the dataset's task ranks; none for a task of one's own or of a package that is not there."""
    try:
        task = TASKS.get(card.name)
    except UnknownName:
        return ()
    is_own = task.source not in {source.name for source in card.sources}
    return () if is_own else task.sections


def sections_of(text: str, ranked: Sequence[str]) -> list[Section]:
    """The sections of a note in order, which together are the whole text; what stands before a heading is one too.

    ranked: the headings that part the note, the most telling first, whatever their case; what has none of these ranks
    last. Without any, headings are lines in capitals or lines that begin with `A Few Words:`, all of one rank.
    """
    found = [(match.start(), match[1]) for match in _headings(tuple(ranked)).finditer(text)] if ranked else _any(text)
    rank_of = {name.lower(): rank for rank, name in enumerate(ranked)}
    starts = [(start, rank_of.get(" ".join(name.lower().split()), len(ranked))) for start, name in found]
    if not starts or starts[0][0] > 0:
        starts.insert(0, (0, len(ranked)))
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [Section(start, end, rank) for (start, rank), end in zip(starts, ends, strict=True)]


def chosen_pieces(sections: Sequence[Section], offsets: Sequence[tuple[int, int]], room: int) -> list[int]:
    """Which word pieces of a text are read, in order: `room` of them, or all where there are fewer.

    Whole sections in the order of their rank, passing over those that do not fit; what is then left of the room takes
    the start of the first that was passed over, so that nothing of the length is wasted. offsets: of each piece.
    """
    starts = [section.start for section in sections]
    pieces: list[list[int]] = [[] for _ in sections]
    for place, (first, end) in enumerate(offsets):
        # The blank before a word is part of a byte-level piece: a piece stands where its last character does.
        pieces[bisect_right(starts, max(first, end - 1)) - 1].append(place)
    chosen: list[int] = []
    first_left: list[int] = []
    for number in sorted(range(len(sections)), key=lambda number: (sections[number].rank, number)):
        if len(chosen) + len(pieces[number]) <= room:
            chosen += pieces[number]
        else:
            first_left = first_left or pieces[number]
    return sorted(chosen + first_left[: room - len(chosen)])


@cache
def _headings(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    words = ("[ \t]+".join(map(re.escape, name.split())) for name in longest_first)
    return re.compile(rf"{_LINE}({'|'.join(words)})[ \t]*:", re.IGNORECASE)


def _any(text: str) -> list[tuple[int, str]]:
    for pattern in (_CAPITALS, _TITLE):
        found = [(match.start(), match[1]) for match in pattern.finditer(text)]
        num = Counter(name for _, name in found)
        if headings := [(start, name) for start, name in found if num[name] <= MOST_REPEATS]:
            return headings
    return []
