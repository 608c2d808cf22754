"""i2b2-2010-concepts: find the medical problems, treatments and tests that a note mentions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from clinpeft.sources._i2b2_2010_annotations import CONCEPT_TYPES, ConceptType, parse_concepts, token_bounds
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import Document, read_documents
from clinpeft.tasks import _i2b2_2010 as shared
from clinpeft.tasks._n2c2_terms import LICENCE, TERMS
from clinpeft.tasks.base import BuildLog, EntityTask, Example

PUBLISHED: dict[shared.Side, dict[str, int]] = {
    "train": {
        "documents": shared.NUM_DOCUMENTS["train"],
        "concepts": 16_525,
        "problem": 7_073,
        "treatment": 4_844,
        "test": 4_608,
        "lines": 16_315,
    },
    "test": {
        "documents": shared.NUM_DOCUMENTS["test"],
        "concepts": 31_161,
        "problem": 12_592,
        "treatment": 9_344,
        "test": 9_225,
        "lines": 27_626,
    },
}
"""Of the release without the Pittsburgh records; train is with what validation takes from it."""
_VERIFIED = {("train", "documents"), ("test", "documents"), ("train", "problem"), ("train", "lines"), ("test", "lines")}


class I2b22010Concepts(EntityTask):
    """One line of a note, its problems, treatments and tests: the challenge's concept extraction."""

    source: ClassVar[str] = shared.SOURCE
    labels: ClassVar[tuple[str, ...] | None] = CONCEPT_TYPES
    title: ClassVar[str] = "Medical problems, treatments and tests that a clinical note mentions"
    citation: ClassVar[str] = shared.CITATION
    download: ClassVar[str] = shared.DOWNLOAD
    licence: ClassVar[str] = LICENCE
    terms: ClassVar[tuple[str, ...]] = TERMS
    is_not: ClassVar[str] = (
        f"{shared.IS_NOT} `--compat paper` trains on the partners documents alone, as the scripts of Lewis et al. "
        "(2020, bio-lm) do, which write these over the merged files."
    )
    split_by: ClassVar[str] = "document"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The lines that hold any word, by part (beth, partners, test), document and line; `<document>:<line>`."""
        documents = read_documents(raw)
        if self.mode == "paper":
            documents = _without_beth(documents, log)
        validation = shared.validation_documents(documents)
        num: Counter[tuple[str, str]] = Counter()
        for document in documents:
            num[shared.side_of(document), "documents"] += 1
            split = shared.split_of(document, validation)
            for number, line, marks in _marked_lines(document, num, log):
                yield _example(document, number, line, marks, split)
        why = "paper mode leaves the beth documents out" if self.mode == "paper" else None
        _report(num, log, {"train": why, "test": None})


@dataclass(frozen=True, slots=True)
class Mark:
    """A concept's part on one line, in tokens of that line that hold a word; `last` is included."""

    first: int
    last: int
    type: ConceptType
    row: int
    """Its line in the .con file."""


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


def _without_beth(documents: Sequence[Document], log: BuildLog) -> list[Document]:
    kept = [document for document in documents if document.part != "beth"]
    log.filtered("documents-not-of-beth", len(kept), len(documents) - len(kept))
    return kept


def _marked_lines(
    document: Document, num: Counter[tuple[str, str]], log: BuildLog
) -> Iterator[tuple[int, str, list[Mark]]]:
    """(number, line, its marks) of every line that holds a word."""
    lines = shared.read_lines(document, log)
    marks = _marks(document, lines, num, log)
    num[shared.side_of(document), "lines"] += len(lines)
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


def _marks(document: Document, lines: list[str], num: Counter[tuple[str, str]], log: BuildLog) -> dict[int, list[Mark]]:
    """The marks of each line; what is wrong with a concept is noted, and the concept left out where it has no place."""
    marks: dict[int, list[Mark]] = {}
    if "con" not in document.annotations:
        log.anomaly(document.text.path, None, "no-concept-file")
        return marks
    file = document.annotations["con"]
    concepts = parse_concepts(file, len(lines))
    side = shared.side_of(document)
    for concept in concepts:
        num.update(((side, "concepts"), (side, concept.type), ("all", "concepts")))
    for concept, places in shared.placed(shared.without_copies(concepts, file, log), lines, file, log, "concept"):
        num["all", "placed"] += 1
        for place in places:
            touched = [
                index
                for index, (start, end) in enumerate(words_of(lines[place.line - 1]))
                if start < place.end and place.start < end
            ]
            if touched:  # a form feed alone on a line is a token, but no word
                marks.setdefault(place.line, []).append(Mark(touched[0], touched[-1], concept.type, concept.row))
    return marks


def _example(document: Document, number: int, line: str, marks: Sequence[Mark], split: shared.SplitName) -> Example:
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


def _report(num: Counter[tuple[str, str]], log: BuildLog, why: dict[shared.Side, str | None]) -> None:
    num_lines, num_worded = num["train", "lines"] + num["test", "lines"], num["all", "lines-with-words"]
    log.filtered("lines-with-words", num_worded, num_lines - num_worded)
    log.filtered("concepts-placed", num["all", "placed"], num["all", "concepts"] - num["all", "placed"])
    log.filtered("not-overlapped", num["all", "placed"] - num["all", "overlapping"], num["all", "overlapping"])
    shared.expect_counts(num, PUBLISHED, _VERIFIED, log, why)


def _longest_first(mark: Mark) -> tuple[int, int, int]:
    return mark.first - mark.last, mark.first, CONCEPT_TYPES.index(mark.type)
