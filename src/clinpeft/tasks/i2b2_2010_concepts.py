"""i2b2-2010-concepts: find the medical problems, treatments and tests that a note mentions."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from clinpeft.sources._archives import text_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import (
    CONCEPT_TYPES,
    ConceptType,
    Document,
    Part,
    lines_of,
    parse_concepts,
    places_of,
    read_documents,
    token_bounds,
)
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Task

SplitName = Literal["train", "validation", "test"]
PUBLISHED = {
    "train": {
        "documents": 170,
        "concepts": 16_525,
        "problem": 7_073,
        "treatment": 4_844,
        "test": 4_608,
        "lines": 16_315,
    },
    "test": {
        "documents": 256,
        "concepts": 31_161,
        "problem": 12_592,
        "treatment": 9_344,
        "test": 9_225,
        "lines": 27_626,
    },
}
"""Of the release without the Pittsburgh records; train is with what validation takes from it."""
_VERIFIED = {("train", "documents"), ("test", "documents"), ("train", "problem"), ("train", "lines"), ("test", "lines")}


class I2b22010Concepts(Task):
    """One line of a note, its problems, treatments and tests: the challenge's concept extraction."""

    kind: ClassVar[Kind] = "entities"
    source: ClassVar[str] = "i2b2-2010"
    metric: ClassVar[str] = "entity-f1"
    labels: ClassVar[tuple[str, ...] | None] = CONCEPT_TYPES
    title: ClassVar[str] = "Medical problems, treatments and tests that a clinical note mentions"
    citation: ClassVar[str] = (
        "Özlem Uzuner, Brett R. South, Shuying Shen, Scott L. DuVall. 2010 i2b2/VA challenge on concepts, assertions, "
        "and relations in clinical text. JAMIA 18(5), 552-556 (2011)."
    )
    download: ClassVar[str] = (
        "https://portal.dbmi.hms.harvard.edu/projects/n2c2-nlp/ (2010 Relations Challenge; agreement)"
    )
    licence: ClassVar[str] = "n2c2/i2b2 data use agreement"
    terms: ClassVar[tuple[str, ...]] = (
        "n2c2/i2b2 data use agreement: research only, no re-identification, no sharing except with the named team. "
        "Also holds for what is derived from the data.",
    )
    is_not: ClassVar[str] = (
        "Not the full challenge corpus: the Pittsburgh records are no longer given out (170 of 394 training documents "
        "remain), so scores of 2010 do not compare. Nothing names patients: documents stand for them. The validation "
        "documents are ours, as published ones cannot be reproduced. The beth notes may also stand in MIMIC-III."
    )
    split_by: ClassVar[str] = "document"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The lines that hold any word, by part (beth, partners, test), document and line; `<document>:<line>`."""
        documents = read_documents(raw)
        validation = validation_documents(documents)
        num: Counter[tuple[str, str]] = Counter()
        for document in documents:
            side: SplitName = "test" if document.part == "test" else "train"
            split: SplitName = "validation" if document.id in validation else side
            num[side, "documents"] += 1
            for number, line, marks in _marked_lines(document, num, side, log):
                yield _example(document, number, line, marks, split)
        _report(num, log)


@dataclass(frozen=True, slots=True)
class Mark:
    """A concept's part on one line, in tokens of that line that hold a word; `last` is included."""

    first: int
    last: int
    type: ConceptType
    row: int
    """Its line in the .con file."""


def validation_documents(documents: Sequence[Document]) -> set[str]:
    """Of each hospital the last tenth (rounded up) of its training documents in order of SHA-256("i2b2-2010|" + id).

    A hospital's only document stays in train.
    """
    chosen: set[str] = set()
    parts: tuple[Part, ...] = ("beth", "partners")
    for part in parts:
        ids = [document.id for document in documents if document.part == part]
        ids.sort(key=lambda id_: hashlib.sha256(f"i2b2-2010|{id_}".encode()).hexdigest())
        chosen.update(ids[len(ids) - min(-(-len(ids) // 10), len(ids) - 1) :] if ids else [])
    return chosen


def words_of(line: str) -> list[tuple[int, int]]:
    """Offsets of the tokens that hold a word."""
    return [(start, end) for start, end in token_bounds(line) if line[start:end].strip()]


def without_overlaps(marks: Sequence[Mark]) -> list[Mark]:
    """Of marks that share a token the longest stays; of equally long ones the first, then problem before the others."""
    kept: list[Mark] = []
    taken: set[int] = set()
    for mark in sorted(marks, key=_longest_first):
        tokens = set(range(mark.first, mark.last + 1))
        if not tokens & taken:
            taken |= tokens
            kept.append(mark)
    return sorted(kept, key=lambda mark: mark.first)


def tags_of(num_tokens: int, marks: Sequence[Mark]) -> tuple[str, ...]:
    """IOB2 tags; marks that follow each other directly stay two entities.

    >>> tags_of(4, [Mark(0, 1, "test", 1), Mark(2, 2, "test", 2)])
    ('B-test', 'I-test', 'B-test', 'O')
    """
    tags = ["O"] * num_tokens
    for mark in marks:
        tags[mark.first : mark.last + 1] = [f"B-{mark.type}"] + [f"I-{mark.type}"] * (mark.last - mark.first)
    return tuple(tags)


def _marked_lines(
    document: Document, num: Counter[tuple[str, str]], side: str, log: BuildLog
) -> Iterator[tuple[int, str, list[Mark]]]:
    """(number, line, its marks) of every line that holds a word."""
    text, is_cp1252 = text_of(document.text)
    if is_cp1252:
        log.anomaly(document.text.path, None, "read-as-cp1252")
    lines = lines_of(text)
    marks = _marks(document, lines, num, side, log)
    num[side, "lines"] += len(lines)
    for number, line in enumerate(lines, start=1):
        if not words_of(line):
            continue
        num["all", "lines-with-words"] += 1
        kept = without_overlaps(marks.get(number, []))
        for mark in marks.get(number, []):
            if mark not in kept:
                log.anomaly(document.annotations["con"].path, mark.row, "overlapping-concept")
                num["all", "overlapping"] += 1
        yield number, line, kept


def _marks(
    document: Document, lines: list[str], num: Counter[tuple[str, str]], side: str, log: BuildLog
) -> dict[int, list[Mark]]:
    """The marks of each line; what is wrong with a concept is noted, and the concept left out where it has no place."""
    marks: dict[int, list[Mark]] = {}
    if "con" not in document.annotations:
        log.anomaly(document.text.path, None, "no-concept-file")
        return marks
    file = document.annotations["con"]
    seen = set()
    for concept in parse_concepts(file, len(lines)):
        num.update(((side, "concepts"), (side, concept.type), ("all", "concepts")))
        key = concept.start_line, concept.start_token, concept.end_line, concept.end_token, concept.type
        places, is_counted_otherwise = places_of(concept, lines)
        if key in seen or not places:
            log.anomaly(file.path, concept.row, "duplicate-concept" if key in seen else "concept-text-differs")
            continue
        seen.add(key)
        num["all", "placed"] += 1
        if is_counted_otherwise:
            log.anomaly(file.path, concept.row, "tokens-counted-otherwise")
        if concept.start_line != concept.end_line:
            log.anomaly(file.path, concept.row, "concept-across-lines")
        for place in places:
            touched = [
                index
                for index, (start, end) in enumerate(words_of(lines[place.line - 1]))
                if start < place.end and place.start < end
            ]
            marks.setdefault(place.line, []).append(Mark(touched[0], touched[-1], concept.type, concept.row))
    return marks


def _example(document: Document, number: int, line: str, marks: Sequence[Mark], split: SplitName) -> Example:
    bounds = words_of(line)
    return Example(
        example=f"{document.id}:{number}",
        subject=document.id,
        document=document.id,
        text=line,
        split=split,
        tokens=tuple(line[start:end] for start, end in bounds),
        starts=tuple(start for start, _ in bounds),
        ends=tuple(end for _, end in bounds),
        tags=tags_of(len(bounds), marks),
    )


def _report(num: Counter[tuple[str, str]], log: BuildLog) -> None:
    num_lines, num_worded = num["train", "lines"] + num["test", "lines"], num["all", "lines-with-words"]
    log.filtered("lines-with-words", num_worded, num_lines - num_worded)
    log.filtered("concepts-placed", num["all", "placed"], num["all", "concepts"] - num["all", "placed"])
    log.filtered("not-overlapped", num["all", "placed"] - num["all", "overlapping"], num["all", "overlapping"])
    for side, counts in PUBLISHED.items():
        for what, published in counts.items():
            evidence: Literal["V", "A"] = "V" if (side, what) in _VERIFIED else "A"
            log.expect(f"{side}: {what}", published, num[side, what], evidence)


def _longest_first(mark: Mark) -> tuple[int, int, int]:
    return mark.first - mark.last, mark.first, CONCEPT_TYPES.index(mark.type)
