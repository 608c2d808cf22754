"""Sentences of notes that were typed in lines of a fixed width: most line ends stand inside a sentence."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from clinpeft.sources._sentences import ABBREVIATION

FULL_LINE = 50
"""Characters; after a shorter line the next one begins something new."""
_GAP = re.compile(r"\s+")
_ITEM = re.compile(r"[ \t]*(?:[-*+\u2022]|\(?[0-9]{1,3}[.):](?=\s)|[A-Za-z][^\n:]{0,40}:(?=\s|$))")
"""How a line begins that goes on with nothing: a list's mark or number, or a heading with its colon."""
_END = re.compile(r"""[.!?]["')\]]?$""")
_BEGIN = re.compile(r"""["'(\[]?[A-Z0-9]""")
_NUMBER = re.compile(r"[ \t]*[0-9]{1,3}\.")


def sentences_in_note(text: str, whole: Iterable[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """Offsets of the sentences of a note, without the blanks around them, in order of the text.

    A sentence ends at a blank line; at the end of a line of fewer than 50 characters, or where the next line begins a
    list's item or a heading; and after `.`, `!` or `?` (a quote or bracket closed) before a capital letter or a digit
    (a quote or bracket opened), but not after an abbreviation, a single capital letter or the number of a list's item.
    whole: stretches (entities) that no sentence may cut. Blank text has no sentences.

    >>> note = "He was started on warfarin for atrial fibrillation\\nlast week. INR is stable.\\n1. Aspirin"
    >>> [note[start:end][-10:] for start, end in sentences_in_note(note)]
    ['last week.', 'is stable.', '1. Aspirin']
    """
    gaps = [found.span() for found in _GAP.finditer(text)]
    starts = [start for start, _ in gaps]
    inside: set[int] = set()
    for first, end in whole:
        inside.update(range(bisect_right(starts, first), bisect_right(starts, end - 1)))
    edges = [0]
    for number, (start, end) in enumerate(gaps):
        if start == 0 or end == len(text) or (number not in inside and _is_break(text, start, end)):
            edges += [start, end]
    edges.append(len(text))
    pieces = zip(edges[::2], edges[1::2], strict=True)
    return [(start, end) for start, end in pieces if start < end]


def _is_break(text: str, start: int, end: int) -> bool:
    """Whether a sentence ends before the blanks `text[start:end]`."""
    line = text.rfind("\n", 0, start) + 1
    num_line_ends = text.count("\n", start, end)
    if num_line_ends > 1:
        return True
    if num_line_ends == 1 and (start - line < FULL_LINE or _ITEM.match(text, text.index("\n", start) + 1)):
        return True
    if not (_END.search(text, max(0, start - 2), start) and _BEGIN.match(text, end)):
        return False
    return not (ABBREVIATION.search(text, max(0, start - 10), start) or _NUMBER.fullmatch(text, line, start))
