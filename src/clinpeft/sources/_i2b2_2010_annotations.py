"""The grammar of i2b2/VA 2010: concepts, assertions and relations, and where in a text they stand.

Lines count from 1, tokens from 0, and the end token is included. The text of a concept may itself hold quotes and
bars, so that a line is matched to its very end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, text_of
from clinpeft.sources._positions import listed

ConceptType = Literal["problem", "treatment", "test"]
CONCEPT_TYPES: tuple[ConceptType, ...] = get_args(ConceptType)
ASSERTIONS = ("present", "absent", "possible", "conditional", "hypothetical", "associated_with_someone_else")
RELATIONS: dict[str, ConceptType] = {
    "PIP": "problem",
    "TeCP": "test",
    "TeRP": "test",
    "TrAP": "treatment",
    "TrCP": "treatment",
    "TrIP": "treatment",
    "TrNAP": "treatment",
    "TrWP": "treatment",
}
"""What each relation ties to a problem."""

_CONCEPT = r'c="(.*)" ([0-9]+):([0-9]+) ([0-9]+):([0-9]+)'
_CON_LINE = re.compile(rf'{_CONCEPT}\|\|t="({"|".join(CONCEPT_TYPES)})"')
_AST_LINE = re.compile(rf'{_CONCEPT}\|\|t="problem"\|\|a="({"|".join(ASSERTIONS)})"')
_REL_LINE = re.compile(rf'{_CONCEPT}\|\|r="({"|".join(RELATIONS)})"\|\|{_CONCEPT}')
_BLANKS = tuple(re.compile(pattern) for pattern in (r"[ \t]+", " ", r"[ \t\n\v\f\r]+", r"\s+"))
"""What parts the tokens that annotations count: the release's own rule, then what other tools have counted by."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A marked stretch; `row` is its line in the annotation file."""

    row: int
    text: str = field(repr=False)
    start_line: int
    start_token: int
    end_line: int
    end_token: int


@dataclass(frozen=True, slots=True)
class Concept(Stretch):
    """A line of a `.con` file."""

    type: ConceptType


@dataclass(frozen=True, slots=True)
class Assertion(Stretch):
    """A line of an `.ast` file: what the note says of a problem."""

    value: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A line of a `.rel` file; which of the two stretches is the problem is not to be relied on."""

    row: int
    name: str
    first: Stretch
    second: Stretch


@dataclass(frozen=True, slots=True)
class Place:
    """Where (a line's part of) a concept stands: line from 1, code-point offsets in that line, end exclusive."""

    line: int
    start: int
    end: int


Row = TypeVar("Row", Concept, Assertion, Relation)


def lines_of(text: str) -> list[str]:
    """The lines as annotations count them: only LF ends one, a CR before it is no part of it."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def token_bounds(line: str, blank: re.Pattern[str] = _BLANKS[0]) -> list[tuple[int, int]]:
    """Offsets of the tokens as annotations count them: a line that starts with a blank has an empty token 0.

    >>> token_bounds("  no fever")
    [(0, 0), (2, 4), (5, 10)]
    """
    gaps = [gap.span() for gap in blank.finditer(line)]
    return list(zip([0, *(end for _, end in gaps)], [*(start for start, _ in gaps), len(line)], strict=True))


def parse_concepts(file: RawText, num_lines: int) -> list[Concept]:
    """The lines of a `.con` file, empty ones skipped; `num_lines` is how many lines its text has.

    Raises BadInput with file and lines for broken grammar, lines beyond the text, and ends before their start.
    """
    return _parsed(file, num_lines, _concept)


def parse_assertions(file: RawText, num_lines: int) -> list[Assertion]:
    """The lines of an `.ast` file, likewise; anything but a problem with one of the six assertions is refused."""
    return _parsed(file, num_lines, _assertion)


def parse_relations(file: RawText, num_lines: int) -> list[Relation]:
    """The lines of a `.rel` file, likewise; a relation other than the eight is refused."""
    return _parsed(file, num_lines, _relation)


def places_of(stretch: Stretch, lines: Sequence[str]) -> tuple[list[Place], bool]:
    """Where the stretch stands, line by line, and whether its tokens were counted by another tool's rule.

    Nowhere (an empty list) when the text at its tokens is not the annotated text under any rule; case and blanks
    do not count.
    """
    wanted = stretch.text.lower().split()
    for blank in _BLANKS:
        places = _places(stretch, lines, blank)
        words = [word for place in places for word in lines[place.line - 1][place.start : place.end].lower().split()]
        if words and words == wanted:
            return places, blank is not _BLANKS[0]
    return [], False


def _parsed(file: RawText, num_lines: int, read: Callable[[int, str, int], Row | str]) -> list[Row]:
    rows: list[Row] = []
    broken: dict[str, list[int]] = {}
    for number, line in enumerate(lines_of(text_of(file)[0]), start=1):
        if line.strip():
            row = read(number, line.rstrip(), num_lines)
            if isinstance(row, str):
                broken.setdefault(row, []).append(number)
            else:
                rows.append(row)
    suffix = file.path.rpartition(".")[2]
    for rule, numbers in broken.items():
        raise BadInput(f"{file.path}, {listed('line', numbers)}", rule, f"do text and .{suffix} belong together?")
    return rows


def _concept(row: int, line: str, num_lines: int) -> Concept | str:
    """The concept, or the rule that the line breaks."""
    match = _CON_LINE.fullmatch(line)
    if match is None:
        return 'is not c="…" L:T L:T||t="problem|treatment|test"'
    numbers = _numbers(match, 2)
    kind = next(kind for kind in CONCEPT_TYPES if kind == match[6])
    return _broken_place(numbers, num_lines) or Concept(row, match[1], *numbers, kind)


def _assertion(row: int, line: str, num_lines: int) -> Assertion | str:
    match = _AST_LINE.fullmatch(line)
    if match is None:
        return f'is not c="…" L:T L:T||t="problem"||a="{"|".join(ASSERTIONS)}"'
    numbers = _numbers(match, 2)
    return _broken_place(numbers, num_lines) or Assertion(row, match[1], *numbers, match[6])


def _relation(row: int, line: str, num_lines: int) -> Relation | str:
    match = _REL_LINE.fullmatch(line)
    if match is None:
        return f'is not c="…" L:T L:T||r="{"|".join(RELATIONS)}"||c="…" L:T L:T'
    first, second = _numbers(match, 2), _numbers(match, 8)
    broken = _broken_place(first, num_lines) or _broken_place(second, num_lines)
    return broken or Relation(row, match[6], Stretch(row, match[1], *first), Stretch(row, match[7], *second))


def _numbers(match: re.Match[str], group: int) -> tuple[int, int, int, int]:
    """Start line and token, end line and token; nine digits are more than any text has lines."""
    start_line, start_token, end_line, end_token = (int(match[group + index][:9]) for index in range(4))
    return start_line, start_token, end_line, end_token


def _broken_place(numbers: tuple[int, int, int, int], num_lines: int) -> str | None:
    start_line, start_token, end_line, end_token = numbers
    if not 1 <= start_line <= num_lines or not 1 <= end_line <= num_lines:
        return f"names a line outside the {num_lines} of its text"
    return "ends before it starts" if (end_line, end_token) < (start_line, start_token) else None


def _places(stretch: Stretch, lines: Sequence[str], blank: re.Pattern[str]) -> list[Place]:
    places = []
    for number in range(stretch.start_line, stretch.end_line + 1):
        tokens = token_bounds(lines[number - 1], blank)
        first = stretch.start_token if number == stretch.start_line else 0
        last = stretch.end_token if number == stretch.end_line else len(tokens) - 1
        if last >= len(tokens):
            return []
        bounds = [(start, end) for start, end in tokens[first : last + 1] if start < end]
        if bounds:
            places.append(Place(number, bounds[0][0], bounds[-1][1]))
    return places
