"""The `.ann` files of n2c2 2018: brat standoff with lines that broke, stray characters and discontinuous mentions."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, text_of
from clinpeft.sources._positions import listed

DRUG = "Drug"
ATTRIBUTES = ("Strength", "Form", "Frequency", "Route", "Dosage", "Reason", "ADE", "Duration")
"""Each is related to a Drug; by falling number in the release, but for ADE and Duration."""
ENTITY_TYPES = (DRUG, *ATTRIBUTES)
RELATIONS = tuple(f"{attribute}-{DRUG}" for attribute in ATTRIBUTES)

_BEGINNING = re.compile(r"[TREAMN][0-9]+(?:\t| \S+ (?:[0-9]+ [0-9]+|\S+:|T[0-9]+$))|#[0-9]*\t|\*\t")
"""How an annotation begins, with blanks for tabs too, so that such a file is refused; other lines go on from above."""
_ENTITY = re.compile(r"(T[0-9]{1,9})\t(\S+) ([0-9]+ [0-9]+(?:;[0-9]+ [0-9]+)*)\t(.*)", re.DOTALL)
_RELATION = re.compile(r"(R[0-9]+)\t(\S+) Arg1:(T[0-9]+) Arg2:(T[0-9]+)\s*")
_ATTRIBUTE = re.compile(r"[AM][0-9]+\t\S+ ([TRE][0-9]+)(?: .*)?")
_LONGEST_NUMBER = 9
"""Digits."""

Odd = tuple[int | None, str]
"""A line of the `.ann` file and what is odd about it, as the card's anomalies name it."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A mention: code points, end exclusive, from the start of its first piece to the end of its last."""

    id: str
    label: str
    pieces: tuple[tuple[int, int], ...]
    text: str = field(repr=False)
    row: int

    @property
    def start(self) -> int:
        """Of the first piece."""
        return self.pieces[0][0]

    @property
    def end(self) -> int:
        """Of the last piece."""
        return self.pieces[-1][1]


@dataclass(frozen=True, slots=True)
class Relation:
    """An attribute and its drug, by the ids of the entities."""

    label: str
    attribute: str
    drug: str
    row: int


@dataclass(frozen=True, slots=True)
class Annotated:
    """A note as its annotations count it."""

    text: str = field(repr=False)
    entities: tuple[Entity, ...]
    """Those whose text stands at their offsets, without blanks at their ends, by start, end and id."""
    relations: tuple[Relation, ...]
    """Those of an attribute and a drug that both have a place, none twice, in the file's order."""
    counts: Counter[str]
    """How many lines name each type of entity and relation, also those left out above."""
    odd: tuple[Odd, ...]


def parse_annotations(text: str, file: RawText) -> Annotated:
    """The note with what its `.ann` file says, line ends of the note as the offsets count them.

    What real files break is noted in `odd`: a mention's text may go on on the next line, or hold characters that
    cannot be seen; an entity whose text is not at its offsets is left out, with its relations. Raises BadInput with
    file and lines for other broken grammar, an unknown type, a repeated id, a relation of an entity that is not
    there, an offset beyond the text, and when most entities do not fit.
    """
    records, odd = _records(text_of(file)[0])
    entities, relations = _parsed(records, file.path)
    text, is_converted = _as_counted(text, entities)
    if is_converted:
        odd.append((None, "line-ends-counted-otherwise"))
    fitting = _fitting(text, entities, file.path, odd)
    by_id = {entity.id: entity for entity in entities}
    usable = list(_usable(relations, by_id, {entity.id for entity in fitting}, file.path, odd))
    counts = Counter([entity.label for entity in entities] + [relation.label for relation in relations])
    ordered = sorted(fitting, key=lambda entity: (entity.start, entity.end, int(entity.id[1:])))
    return Annotated(text, tuple(ordered), tuple(usable), counts, tuple(odd))


@dataclass(slots=True)
class _Record:
    """One annotation and the physical lines after it that begin none."""

    row: int
    line: str = field(repr=False)
    further: list[str] = field(default_factory=list, repr=False)

    @property
    def id(self) -> str:
        """Its mark and number."""
        return self.line.partition("\t")[0]


def _records(content: str) -> tuple[list[_Record], list[Odd]]:
    records: list[_Record] = []
    odd: list[Odd] = []
    for row, raw_line in enumerate(content.split("\n"), start=1):
        line = raw_line.removesuffix("\r")
        visible = line.lstrip("".join({char for char in line if _is_stray(char)}))
        if not visible.strip():
            if visible != line:
                odd.append((row, "stray-characters"))
        elif _BEGINNING.match(visible) or not records:
            if visible != line:
                odd.append((row, "stray-characters"))
            records.append(_Record(row, visible))
        elif records[-1].line.startswith("T"):
            records[-1].further.append(line)
            odd.append((row, "text-continued-on-the-next-line"))
        else:
            odd.append((row, "stray-characters"))
    return records, odd


def _is_stray(char: str) -> bool:
    return char != "\t" and unicodedata.category(char).startswith("C")


def _parsed(records: list[_Record], path: str) -> tuple[list[Entity], list[Relation]]:
    entities: list[Entity] = []
    relations: list[Relation] = []
    ids: set[str | None] = {None}
    broken: dict[str, list[int]] = {}
    for record in records:
        item = _item(record)
        rule = item if isinstance(item, str) else "repeats an id" if item is not None and record.id in ids else None
        if rule is not None:
            broken.setdefault(rule, []).append(record.row)
        ids.add(record.id)
        if isinstance(item, Entity):
            entities.append(item)
        elif isinstance(item, Relation):
            relations.append(item)
    if lost := [record.row for record in records if _target(record) not in ids]:
        broken.setdefault("points to an id that is not there", lost)
    for rule, rows in broken.items():
        raise BadInput(f"{path}, {listed('line', rows)}", rule, "unpack the archive again")
    return entities, relations


def _item(record: _Record) -> Entity | Relation | str | None:
    """What the annotation is, or the rule that it breaks; None for the notes of annotators and what has no use here."""
    if record.line.startswith("T"):
        return _entity(record)
    if record.line.startswith("R"):
        found = _RELATION.fullmatch(record.line)
        if found is None:
            return "is no relation: id, tab, type Arg1:T… Arg2:T…"
        return Relation(found[2], found[3], found[4], record.row) if found[2] in RELATIONS else "names an unknown type"
    if record.line.startswith(("A", "M")) and _ATTRIBUTE.fullmatch(record.line) is None:
        return "is no attribute: id, tab, name, id"
    return None if _BEGINNING.match(record.line) else "begins with no known mark (T, R, A, M, E, N, #, *)"


def _target(record: _Record) -> str | None:
    """What an attribute is one of; None for other annotations."""
    found = _ATTRIBUTE.fullmatch(record.line)
    return None if found is None else found[1]


def _entity(record: _Record) -> Entity | str:
    found = _ENTITY.fullmatch("\n".join([record.line, *record.further]))
    if found is None:
        return "is no entity: id, tab, type and offsets, tab, text"
    if found[2] not in ENTITY_TYPES:
        return "names an unknown type"
    pieces = []
    end_before = 0
    for piece in found[3].split(";"):
        start, end = (int(number[:_LONGEST_NUMBER]) for number in piece.split())
        if not end_before <= start < end:
            return "has an offset pair that starts at or after its end, or before the pair in front of it"
        pieces.append((start, end))
        end_before = end
    return Entity(found[1], found[2], tuple(pieces), found[4], record.row)


def _as_counted(text: str, entities: list[Entity]) -> tuple[str, bool]:
    """The text with the line ends, LF or CR LF, under which most entities fit; as it stands, if it makes no odds."""
    plain = text.replace("\r\n", "\n")
    other = plain if plain != text else text.replace("\n", "\r\n")
    is_converted = _num_misfits(text, entities) > 0 and _num_misfits(other, entities) < _num_misfits(text, entities)
    return (other, True) if is_converted else (text, False)


def _num_misfits(text: str, entities: list[Entity]) -> int:
    return sum(not _fits(text, entity) for entity in entities)


def _fits(text: str, entity: Entity) -> bool:
    """Whether the entity's text, as far as it can be seen, stands at its offsets; case and blanks do not count."""
    covered = _visible("".join(text[start:end] for start, end in entity.pieces))
    first_line = entity.text.partition("\n")[0]
    return bool(covered) and covered in {_visible(entity.text), _visible(first_line)}


def _visible(text: str) -> str:
    return "".join(char for char in text if not char.isspace() and not _is_stray(char)).casefold()


def _fitting(text: str, entities: list[Entity], path: str, odd: list[Odd]) -> list[Entity]:
    beyond = [entity.row for entity in entities if entity.end > len(text)]
    if beyond:
        rule = f"ends beyond the text of {len(text):,} characters"
        raise BadInput(f"{path}, {listed('line', beyond)}", rule, "do .txt and .ann belong together?")
    fitting = [entity for entity in entities if _fits(text, entity)]
    if 2 * len(fitting) < len(entities):
        rule = f"only {len(fitting):,} of {len(entities):,} entities are in the text at their offsets"
        raise BadInput(path, rule, "do .txt and .ann belong together? Offsets count characters, not bytes")
    placed = {entity.id for entity in fitting}
    for entity in entities:
        if entity.id not in placed:
            odd.append((entity.row, "entity-text-differs"))
        elif len(entity.pieces) > 1:
            odd.append((entity.row, "discontinuous-entity-taken-as-one-stretch"))
    return [_trimmed(text, entity) for entity in fitting]


def _trimmed(text: str, entity: Entity) -> Entity:
    """The entity as one stretch without blanks at its ends."""
    stretch = text[entity.start : entity.end]
    start = entity.start + len(stretch) - len(stretch.lstrip())
    end = entity.end - len(stretch) + len(stretch.rstrip())
    return replace(entity, pieces=((start, end),))


def _usable(
    relations: list[Relation], entities: dict[str, Entity], placed: set[str], path: str, odd: list[Odd]
) -> Iterator[Relation]:
    """The relations that an example can be made of; what keeps one out is noted."""
    lost = [item.row for item in relations if not {item.attribute, item.drug} <= entities.keys()]
    if lost:
        raise BadInput(f"{path}, {listed('line', lost)}", "relates an id that is not there", "unpack the archive again")
    seen: set[tuple[str, str]] = set()
    for item in relations:
        pair = item.attribute, item.drug
        types = entities[item.attribute].label, entities[item.drug].label
        if f"{types[0]}-{types[1]}" != item.label:
            odd.append((item.row, "relation-of-other-types"))
        elif not set(pair) <= placed:
            odd.append((item.row, "relation-of-an-entity-left-out"))
        elif pair in seen:
            odd.append((item.row, "duplicate-relation"))
        else:
            seen.add(pair)
            yield item
