"""Pairs of concepts that one line of an i2b2/VA 2010 document names, and how the annotators related them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from clinpeft.sources._archives import RawText
from clinpeft.sources._i2b2_2010_annotations import (
    RELATIONS,
    Concept,
    ConceptType,
    Place,
    Relation,
    Stretch,
    places_of,
)
from clinpeft.tasks import _i2b2_2010 as shared
from clinpeft.tasks.base import BuildLog, Span


@dataclass(frozen=True, slots=True)
class Mention:
    """A concept with its place in the text."""

    row: int
    """Its line in the .con file."""
    type: ConceptType
    places: tuple[Place, ...]

    @property
    def line(self) -> int:
        """The line on which it starts."""
        return self.places[0].line


@dataclass(frozen=True, slots=True)
class Gold:
    """A relation between two mentions, which are named by their positions in the list of mentions."""

    row: int
    """Its line in the .rel file."""
    name: str
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class MarkedPair:
    """The text in which two mentions are looked at, and where in it they stand; `head` comes first."""

    text: str = field(repr=False)
    head: Span
    tail: Span


def mentions_of(concepts: Iterable[tuple[Concept, Sequence[Place]]]) -> list[Mention]:
    """Placed concepts as mentions, in the order of the `.con` file."""
    return [Mention(concept.row, concept.type, tuple(places)) for concept, places in concepts]


def resolved(
    relations: Iterable[Relation],
    mentions: Sequence[Mention],
    lines: Sequence[str],
    file: RawText,
    log: BuildLog,
    *,
    is_paper: bool,
) -> Iterator[Gold]:
    """The relations whose two arguments are mentions, found by their place; the others are noted.

    Where several mentions share a place, those whose types the relation can tie are meant, else the first;
    is_paper: the first whatever its type, as in BLUE; so two mentions of one place are never related.
    """
    for relation in relations:
        candidates = [_standing_at(argument, mentions, lines) for argument in (relation.first, relation.second)]
        if is_paper:
            candidates = [found[:1] for found in candidates]
        pairs = [(first, second) for first, second in product(*candidates) if first != second]
        if not pairs:
            log.anomaly(file.path, relation.row, "relation-without-concept")
            continue
        fitting = [pair for pair in pairs if can_relate(relation.name, *(mentions[index].type for index in pair))]
        if not fitting:
            log.anomaly(file.path, relation.row, "relation-of-other-types")
        yield Gold(relation.row, relation.name, *(fitting or pairs)[0])


def can_relate(name: str, *types: ConceptType) -> bool:
    """Whether the challenge's definition lets the relation hold between two such concepts.

    >>> can_relate("TrAP", "problem", "treatment"), can_relate("TrAP", "problem", "problem")
    (True, False)
    """
    return sorted(types) == sorted((RELATIONS[name], "problem"))


def pairs_on_a_line(mentions: Sequence[Mention]) -> list[tuple[int, int]]:
    """All unordered pairs of mentions that start on the same line, by position in the list."""
    return [
        (first, second)
        for first, second in combinations(range(len(mentions)), 2)
        if mentions[first].line == mentions[second].line
    ]


def wrapped(lines: Sequence[str], first: Mention, second: Mention) -> MarkedPair:
    """The line as it is (with the next, should a mention end there); the mentions in order of the text."""
    text, head, tail = _in_passage(lines, first, second)
    return MarkedPair(text, head, tail)


def replaced(lines: Sequence[str], first: Mention, second: Mention, *, is_paper: bool) -> MarkedPair:
    """The line with `@problem$`, `@treatment$` or `@test$` for each mention, as Peng et al. (2019, BLUE) write it.

    Mentions that overlap or touch become a single `@<type>-<type>$`, which is head and tail at once.
    is_paper: the types stand in the order of the `.con` file, as in BLUE, which mistakes them where that is not the
    order of the text.
    """
    text, head, tail = _in_passage(lines, first, second)
    shown = (first.type, second.type) if is_paper else (head.label, tail.label)
    if tail.start <= head.end:
        mark = f"@{shown[0]}-{shown[1]}$"
        end = head.start + len(mark)
        rest = text[max(head.end, tail.end) :]
        spans = Span(head.start, end, head.label), Span(head.start, end, tail.label)
        return MarkedPair(text[: head.start] + mark + rest, *spans)
    marks = [f"@{type_}$" for type_ in shown]
    before = text[: head.start] + marks[0] + text[head.end : tail.start]
    spans = (
        Span(head.start, head.start + len(marks[0]), head.label),
        Span(len(before), len(before) + len(marks[1]), tail.label),
    )
    return MarkedPair(before + marks[1] + text[tail.end :], *spans)


def _standing_at(argument: Stretch, mentions: Sequence[Mention], lines: Sequence[str]) -> list[int]:
    places, _ = places_of(argument, lines)
    return [index for index, mention in enumerate(mentions) if places and mention.places == tuple(places)]


def _in_passage(lines: Sequence[str], first: Mention, second: Mention) -> tuple[str, Span, Span]:
    last = max(mention.places[-1].line for mention in (first, second))
    spans = [
        Span(*shared.span_in_passage(lines, first.line, mention.places), mention.type) for mention in (first, second)
    ]
    head, tail = sorted(spans, key=lambda span: (span.start, span.end))
    return shared.passage(lines, first.line, last), head, tail
