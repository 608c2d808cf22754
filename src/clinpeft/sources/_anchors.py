"""Where the tags of a note truly stand: offsets checked against the text that each tag repeats."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from clinpeft.errors import BadInput
from clinpeft.sources._xml_notes import MarkedNote, Problem, Tag

_ENTITIES = {"&apos;": "'", "&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
_ENTITY = "|".join(_ENTITIES)
_UNIT = re.compile(rf"{_ENTITY}|\s+|.", re.DOTALL)
_CHARACTER = re.compile(rf"{_ENTITY}|.", re.DOTALL)
_AND = {"&": "and", "&amp;": "and"}
_WORST_SHARE = 0.01
"""Of tags that may differ from the text before another way to count is tried."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A typed stretch of a note: code points from 0, end exclusive; `row` is the line of its tag in the file."""

    start: int
    end: int
    label: str
    row: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A note and its marks in the file's order; what is odd about a tag, or keeps it out, stands in `problems`."""

    text: str = field(repr=False)
    marks: tuple[Mark, ...]
    problems: tuple[Problem, ...]


def place(note: MarkedNote, path: str, reach: int, *, is_checked: bool = True) -> Placed:
    """The note with LF as its line ends, and its tags where their text stands.

    reach: how many characters off a tag may be; it is moved to the nearest place with its text, and left out where
    there is none. is_checked: False takes the offsets as they are. Offsets count a CR LF as one character, as XML
    does, unless the tags of the note fit better when both count. Raises BadInput for a tag beyond the text.
    """
    text, counts_cr = _as_counted(note)
    problems: list[Problem] = [(None, "offsets-count-carriage-returns")] if counts_cr else []
    marks = []
    for tag in note.tags:
        if tag.start > len(text) + reach:
            rule = f"a tag starts beyond the text of {len(text):,} characters"
            raise BadInput(f"{path}, line {tag.row}", rule, "unpack the archive again")
        bounds = anchored(text, tag, reach) if is_checked else (tag.start, min(tag.end, len(text)))
        if tag.start == tag.end or bounds is None or bounds[0] >= bounds[1]:
            problems.append((tag.row, "empty-tag" if tag.start == tag.end else "tag-text-differs"))
            continue
        if is_checked and bounds != (tag.start, tag.end):
            problems.append((tag.row, "tag-moved"))
        marks.append(Mark(*bounds, tag.type, tag.row))
    return Placed(text, tuple(marks), tuple(problems))


def anchored(text: str, tag: Tag, reach: int) -> tuple[int, int] | None:
    """The nearest stretch, at most `reach` characters off, with the tag's text; None where there is none.

    Blanks do not count, `&apos;` equals an apostrophe, and `&` equals «and».

    >>> anchored("seen at Hill & Dale", Tag(1, 11, 22, "Hill and Dale", "HOSPITAL"), reach=4)
    (8, 19)
    """
    wanted, _ = _folded(tag.text)
    if not wanted:
        return None
    if _folded(text[tag.start : tag.end])[0] == wanted:
        return tag.start, tag.end
    longest = max(map(len, _ENTITIES))
    low = max(0, tag.start - reach - longest)  # so far back that an entity cut in two lies out of reach
    letters, places = _folded(text[low : tag.end + reach + longest * len(wanted)])
    near = []
    for found in re.finditer(f"(?={re.escape(wanted)})", letters):
        first, last = found.start(), found.start() + len(wanted) - 1
        start, end = low + places[first][0], low + places[last][1]
        if abs(start - tag.start) <= reach and _is_whole(places, first, last):
            near.append((start, end))
    return min(near, key=lambda stretch: (abs(stretch[0] - tag.start), stretch), default=None)


def without_entities(text: str, marks: Iterable[Mark]) -> tuple[str, tuple[Mark, ...]]:
    """The text with `&apos;` and its like as the characters that they stand for, and the marks in that text.

    >>> without_entities("the patient&apos;s leg", [Mark(19, 22, "PROBLEM", 1)])
    ("the patient's leg", (Mark(start=14, end=17, label='PROBLEM', row=1),))
    """
    found = list(_CHARACTER.finditer(text))
    starts = [character.start() for character in found]
    plain = "".join(_ENTITIES.get(character[0], character[0]) for character in found)
    return plain, tuple(_moved(mark, starts) for mark in marks)


def _moved(mark: Mark, starts: Sequence[int]) -> Mark:
    return replace(mark, start=bisect_right(starts, mark.start) - 1, end=bisect_left(starts, mark.end))


def _as_counted(note: MarkedNote) -> tuple[str, bool]:
    """The text as the offsets count it, and whether that is with carriage returns."""
    plain = note.text.replace("\r\n", "\n").replace("\r", "\n")
    if plain == note.text:
        return plain, False
    num_wrong = _num_wrong(plain, note.tags)
    if num_wrong > _WORST_SHARE * len(note.tags) and _num_wrong(note.text, note.tags) < num_wrong:
        return note.text, True
    return plain, False


def _num_wrong(text: str, tags: Iterable[Tag]) -> int:
    return sum(_folded(text[tag.start : tag.end])[0] != _folded(tag.text)[0] for tag in tags)


def _is_whole(places: Sequence[tuple[int, int]], first: int, last: int) -> bool:
    """Whether neither end lies between letters of one `&`."""
    return (first == 0 or places[first - 1] != places[first]) and places[last + 1 : last + 2] != [places[last]]


def _folded(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text as it is compared, and for each of its letters the stretch that it comes from."""
    letters: list[str] = []
    places: list[tuple[int, int]] = []
    for unit in _UNIT.finditer(text):
        plain = "" if unit[0].isspace() else _AND.get(unit[0]) or _ENTITIES.get(unit[0], unit[0])
        letters.append(plain)
        places += [unit.span()] * len(plain)
    return "".join(letters), places
