"""The `.extent` files of i2b2 2012: the same events by line and token, a check on those of the XML."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from clinpeft.sources._anchors import Mark
from clinpeft.sources._archives import RawText, text_of
from clinpeft.sources._i2b2_2010_annotations import lines_of, token_bounds

Extent = tuple[int, int, int, int, str]
"""Line from 1 and token from 0 of its first and of its last word, and its type."""

_EVENT = re.compile(r'EVENT="(.*)" ([0-9]+):([0-9]+) ([0-9]+):([0-9]+)\|\|type="([A-Z_]*)"\|\|.*')


def differs(extent: RawText, text: str, marks: Iterable[Mark]) -> int | None:
    """The first line of the file whose event the XML lacks; 0 when the XML has one more; None when both agree.

    text and marks are those of the XML, whose text begins with a line end that the token files do not have. Events
    without a type are left out on both sides, and so is every line that is no event's.
    """
    marked = _extents(text, marks)
    written: set[Extent] = set()
    for row, line in enumerate(lines_of(text_of(extent)[0]), start=1):
        found = _EVENT.fullmatch(line.rstrip())
        if found is None or not found[6]:
            continue
        first_line, first, last_line, last = (int(number[:9]) for number in found.group(2, 3, 4, 5))
        event = first_line, first, last_line, last, found[6]
        if event not in marked:
            return row
        written.add(event)
    return 0 if marked - written else None


def _extents(text: str, marks: Iterable[Mark]) -> set[Extent]:
    lead = 1 if text.startswith("\n") else 0
    starts: list[int] = []
    places: list[tuple[int, int]] = []
    line_start = lead
    for number, line in enumerate(text[lead:].split("\n"), start=1):
        for token, (start, _) in enumerate(token_bounds(line)):
            starts.append(line_start + start)
            places.append((number, token))
        line_start += len(line) + 1
    extents = set()
    for mark in marks:
        first, last = (places[max(0, bisect_right(starts, at) - 1)] for at in (mark.start, mark.end - 1))
        extents.add((*first, *last, mark.label))
    return extents
