"""n2c2-2018-ade-relations: does this strength, dose, reason or adverse event belong to that drug?"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from clinpeft.sources._n2c2_2018_annotations import DRUG, RELATIONS, Entity
from clinpeft.sources._wrapped_notes import sentences_in_note
from clinpeft.sources.base import RawFiles
from clinpeft.sources.n2c2_2018 import Part
from clinpeft.spec import Kind
from clinpeft.tasks import _n2c2_2018 as shared
from clinpeft.tasks._n2c2_terms import LICENCE, TERMS
from clinpeft.tasks.base import BuildLog, Example, Span, Task

NO_RELATION = "none"
PUBLISHED = (
    ("Strength-Drug", 6_702, 4_244),
    ("Form-Drug", 6_654, 4_374),
    ("Frequency-Drug", 6_310, 4_034),
    ("Route-Drug", 5_538, 3_546),
    ("Reason-Drug", 5_169, 3_410),
    ("Dosage-Drug", 4_225, 2_695),
    ("ADE-Drug", 1_107, 733),
    ("Duration-Drug", 643, 426),
)
"""Relation, number in train (with what validation takes from it), number in test."""


class N2c22018AdeRelations(Task):
    """An attribute and a drug, both marked, in the one or two sentences that hold them: related, or `none`.

    Sentences are those of a note typed in lines of a fixed width (see `sentences_in_note`). The text runs from the
    first of the two sentences to the end of the other; a discontinuous entity is one stretch.
    """

    kind: ClassVar[Kind] = "relations"
    source: ClassVar[str] = shared.SOURCE
    metric: ClassVar[str] = "relation-f1"
    labels: ClassVar[tuple[str, ...] | None] = (*RELATIONS, NO_RELATION)
    title: ClassVar[str] = "Which drug a strength, form, dose, route, timing, reason or adverse event belongs to"
    citation: ClassVar[str] = shared.CITATION
    download: ClassVar[str] = shared.DOWNLOAD
    licence: ClassVar[str] = LICENCE
    terms: ClassVar[tuple[str, ...]] = TERMS
    is_not: ClassVar[str] = (
        f"{shared.IS_NOT} Not the challenge's end-to-end track: mentions are given. Pairs further apart than "
        "`max_distance` sentences have no example, so recall is of the related pairs in reach; the filters count those "
        "out of it, and scores that count them as missed are lower. Which relation a pair may have follows from the "
        "attribute's type, so the question is which drug, not which relation."
    )
    split_by: ClassVar[str] = "document"

    max_distance: Annotated[int, Field(ge=0)] = 1
    """How many sentences apart attribute and drug may stand; 0 is the same sentence."""

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The pairs by part, document, place of the attribute and place of the drug; `<document>:<T…>:<T…>`."""
        num: Counter[tuple[Part, str]] = Counter()
        in_reach: Counter[Part] = Counter()
        related: Counter[Part] = Counter()
        for note in shared.read_notes(raw, log):
            num[note.part, "documents"] += 1
            num.update({(note.part, label): count for label, count in note.annotated.counts.items()})
            related[note.part] += len(note.annotated.relations)
            for example in _pairs(note, self.max_distance):
                in_reach[note.part] += example.label != NO_RELATION
                yield example
        for part in shared.NUM_DOCUMENTS:
            step = f"{part}-related-pairs-within-{self.max_distance}-sentences-of-each-other"
            log.filtered(step, in_reach[part], related[part] - in_reach[part])
        shared.expect_counts(num, PUBLISHED, log, "relations")


def _pairs(note: shared.Note, max_distance: int) -> Iterator[Example]:
    entities = note.annotated.entities
    bounds = sentences_in_note(note.text, [(entity.start, entity.end) for entity in entities])
    starts = [start for start, _ in bounds]
    drugs: dict[int, list[Entity]] = defaultdict(list)
    for entity in entities:
        if entity.label == DRUG:
            drugs[bisect_right(starts, entity.start) - 1].append(entity)
    related = {(relation.attribute, relation.drug) for relation in note.annotated.relations}
    for attribute in entities:
        if attribute.label == DRUG:
            continue
        here = bisect_right(starts, attribute.start) - 1
        for there in range(here - max_distance, here + max_distance + 1):
            for drug in drugs.get(there, ()):
                label = f"{attribute.label}-{DRUG}" if (attribute.id, drug.id) in related else NO_RELATION
                yield _example(note, bounds[min(here, there)][0], bounds[max(here, there)][1], attribute, drug, label)


def _example(note: shared.Note, start: int, end: int, attribute: Entity, drug: Entity, label: str) -> Example:
    head, tail = (Span(item.start - start, item.end - start, item.label) for item in (attribute, drug))
    return Example(
        f"{note.id}:{attribute.id}:{drug.id}",
        note.id,
        note.id,
        note.text[start:end],
        split=note.split,
        label=label,
        head=head,
        tail=tail,
    )
