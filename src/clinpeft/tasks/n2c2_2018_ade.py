"""n2c2-2018-ade: find drugs, how they were given, why, and what harm they did, in discharge summaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from typing import Annotated, ClassVar

from pydantic import Field

from clinpeft.sources._n2c2_2018_annotations import ENTITY_TYPES, Entity
from clinpeft.sources.base import RawFiles
from clinpeft.sources.n2c2_2018 import Part
from clinpeft.tasks import _n2c2_2018 as shared
from clinpeft.tasks._iob2 import tags_from_spans, tokens_in
from clinpeft.tasks._n2c2_terms import LICENCE, TERMS
from clinpeft.tasks.base import BuildLog, EntityTask, Example, Span

PUBLISHED = (
    ("Drug", 16_225, 10_575),
    ("Strength", 6_691, 4_230),
    ("Form", 6_651, 4_359),
    ("Frequency", 6_281, 4_012),
    ("Route", 5_476, 3_513),
    ("Dosage", 4_221, 2_681),
    ("Reason", 3_855, 2_545),
    ("ADE", 959, 625),
    ("Duration", 592, 378),
)
"""Type, number in train (with what validation takes from it), number in test."""


class N2c22018Ade(EntityTask):
    """A window of a note, and the drugs, attributes, reasons and adverse events that it names.

    A window is as many whole paragraphs as fit into `max_words` words; a paragraph longer than that is taken line by
    line. No window ends inside an entity, so a few are longer. Tokens are runs of letters, runs of digits and single
    other signs, whatever is marked. A discontinuous entity is one from the start of its first piece to the end of its
    last, as the official evaluation takes it. Of entities that share a token the longest is tagged; `spans` holds all.
    """

    source: ClassVar[str] = shared.SOURCE
    labels: ClassVar[tuple[str, ...] | None] = ENTITY_TYPES
    title: ClassVar[str] = "Drugs, their strength, form, dose, route and timing, reasons and adverse events in notes"
    citation: ClassVar[str] = shared.CITATION
    download: ClassVar[str] = shared.DOWNLOAD
    licence: ClassVar[str] = LICENCE
    terms: ClassVar[tuple[str, ...]] = TERMS
    is_not: ClassVar[str] = (
        f"{shared.IS_NOT} Scores are over tags, so of overlapping entities (a third of the training documents have "
        "some) one counts. The headline metric is strict; the challenge ranked by lenient F1 (`entity-f1-lenient`, "
        "which stands beside it), where any overlap of the right type is a hit, so its scores are higher. An ADE is "
        "what the writer blames on a drug: no proof that the drug did it."
    )
    split_by: ClassVar[str] = "document"

    max_words: Annotated[int, Field(ge=1)] = 128
    """Longest window in blank-separated words; clinical words are often three word pieces."""

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The windows by part, document and place; `<document>:<start>`, so that adding the window's start to an
        example's offsets gives those of the document."""
        num: Counter[tuple[Part, str]] = Counter()
        num_entities = num_overlapping = 0
        for note in shared.read_notes(raw, log):
            num[note.part, "documents"] += 1
            num.update({(note.part, label): count for label, count in note.annotated.counts.items()})
            entities = note.annotated.entities
            num_entities += len(entities)
            for start, end in windows_of(note.text, entities, self.max_words):
                here = [entity for entity in entities if start <= entity.start < end]
                example, left_out = _example(note, start, end, here, log)
                num_overlapping += left_out
                yield example
        total = sum(num[part, label] for part in shared.NUM_DOCUMENTS for label in ENTITY_TYPES)
        log.filtered("entities-in-the-text", num_entities, total - num_entities)
        log.filtered("entities-tagged-not-overlapped", num_entities - num_overlapping, num_overlapping)
        shared.expect_counts(num, PUBLISHED, log, "entities")


def windows_of(text: str, entities: Sequence[Entity], max_words: int) -> list[tuple[int, int]]:
    """Offsets of the windows, without blanks at their ends, in order of the text; blank text has none.

    Paragraphs (lines between blank lines) are joined while they hold at most `max_words` words together; lines of a
    longer paragraph are joined in the same way, and so is whatever an entity would be cut by. A line is never cut.
    """
    ordered = sorted((entity.start, entity.end) for entity in entities)
    reaches = list(accumulate((end for _, end in ordered), max))
    windows: list[tuple[int, int]] = []
    num_before = seen = 0
    for start, end in _pieces(text, max_words):
        while seen < len(ordered) and ordered[seen][0] < start:
            seen += 1
        is_inside = seen > 0 and reaches[seen - 1] > start
        num_words = len(text[start:end].split())
        if windows and (is_inside or num_before + num_words <= max_words):
            windows[-1] = windows[-1][0], end
            num_before += num_words
        else:
            windows.append((start, end))
            num_before = num_words
    return windows


def _pieces(text: str, max_words: int) -> Iterator[tuple[int, int]]:
    """Paragraphs, and the single lines of those that are too long; without blanks at their ends."""
    lines = []
    start = 0
    for line in text.split("\n"):
        first = start + len(line) - len(line.lstrip())
        lines.append((first, first + len(line.strip())))
        start += len(line) + 1
    for is_blank, group in groupby(lines, key=lambda line: line[0] == line[1]):
        if not is_blank:
            paragraph = list(group)
            first, last = paragraph[0][0], paragraph[-1][1]
            yield from [(first, last)] if len(text[first:last].split()) <= max_words else paragraph


def _example(note: shared.Note, start: int, end: int, entities: Sequence[Entity], log: BuildLog) -> tuple[Example, int]:
    """The window, and how many of its entities are not tagged."""
    text = note.text[start:end]
    bounds = tokens_in(text)
    starts, ends = tuple(first for first, _ in bounds), tuple(last for _, last in bounds)
    spans = tuple(Span(entity.start - start, entity.end - start, entity.label) for entity in entities)
    tags, tagged = tags_from_spans(starts, ends, spans)
    kept = Counter(tagged)
    for entity, span in zip(entities, spans, strict=True):
        if not kept[span]:
            log.anomaly(note.path, entity.row, "overlapping-entity")
        kept[span] -= 1
        if span.start not in starts or span.end not in ends:
            log.anomaly(note.path, entity.row, "entity-ends-inside-a-token")
    example = Example(
        example=f"{note.id}:{start}",
        subject=note.id,
        document=note.id,
        text=text,
        split=note.split,
        tokens=tuple(text[first:last] for first, last in bounds),
        starts=starts,
        ends=ends,
        tags=tags,
        spans=spans,
    )
    return example, len(spans) - len(tagged)
