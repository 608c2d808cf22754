"""i2b2-2012-events: find the clinical events that a discharge summary tells of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, Literal

from clinpeft.sources._anchors import Placed, place, without_entities
from clinpeft.sources._i2b2_2012_extents import differs
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2012 import EVENT_TYPES, Document, read_documents, read_events
from clinpeft.tasks._hash_split import tenth_by_hash
from clinpeft.tasks._marked_lines import Line, documents_missing, example_of, lines_cut_at_marks, tagged_lines
from clinpeft.tasks._n2c2_terms import LICENCE, PORTAL, TERMS
from clinpeft.tasks.base import BuildLog, EntityTask, Example

REACH = 5
"""Characters that a tag may be off: some of the test set are."""
NUM_DOCUMENTS = {"train": 190, "test": 120}
PUBLISHED: tuple[tuple[str, str, int, Literal["V", "A"]], ...] = (
    ("train", "events", 16_468, "A"),
    ("test", "events", 13_594, "A"),
    ("all", "OCCURRENCE", 5_774, "V"),
    ("all", "EVIDENTIAL", 1_334, "V"),
    ("all", "TREATMENT", 7_098, "V"),
    ("all", "CLINICAL_DEPT", 1_724, "V"),
    ("all", "PROBLEM", 9_319, "V"),
    ("all", "TEST", 4_762, "V"),
)
"""Part, what, how many; train is with what validation takes from it. Types are counted as clinicalBERT tags them."""
_WHY = (
    "the published numbers of each type come from character labels, where a later event overwrites an earlier one; "
    "--compat paper counts so"
)


class I2b22012Events(EntityTask):
    """One line of a discharge summary and its events: problems, tests, treatments, departments and what happened."""

    source: ClassVar[str] = "i2b2-2012"
    labels: ClassVar[tuple[str, ...] | None] = EVENT_TYPES
    title: ClassVar[str] = (
        "Clinical events in a discharge summary: problems, tests, treatments, departments, occurrences"
    )
    citation: ClassVar[str] = (
        "Weiyi Sun, Anna Rumshisky, Özlem Uzuner. Evaluating temporal relations in clinical text: 2012 i2b2 challenge. "
        "JAMIA 20(5), 806-813 (2013)."
    )
    download: ClassVar[str] = f"{PORTAL} (2012 Temporal Relations Challenge; agreement)"
    licence: ClassVar[str] = LICENCE
    terms: ClassVar[tuple[str, ...]] = TERMS
    is_not: ClassVar[str] = (
        "Not the temporal task: times, their links, and the modality and polarity of events are left out. Nothing "
        "names patients: documents stand for them. The validation documents are ours, as published ones cannot be "
        "reproduced. Published scores come from tokens cut where gold entities end (--compat paper), which is easier."
    )
    split_by: ClassVar[str] = "document"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The lines that hold any word, by part, document and line of its CDATA from 1; `<document>:<line>`."""
        documents = read_documents(raw)
        training = (document.id for document in documents if document.part == "train")
        validation = tenth_by_hash(self.source, training)
        num: Counter[tuple[str, str]] = Counter()
        for document in documents:
            num[document.part, "documents"] += 1
            split = "validation" if document.id in validation else document.part
            for line in self._lines(document, num, log):
                yield example_of(line, document.id, document.id, split)
        _report(num, log, None if self.mode == "paper" else _WHY)

    def _lines(self, document: Document, num: Counter[tuple[str, str]], log: BuildLog) -> list[Line]:
        placed = self._placed(document, num, log)
        num["all", "lines"] += placed.text.count("\n") + 1
        if self.mode == "paper":
            lines, types = lines_cut_at_marks(placed.text, placed.marks)
        else:
            lines, kept, problems = tagged_lines(*without_entities(placed.text, placed.marks))
            types = [mark.label for mark in kept]
            for row, code in problems:
                log.anomaly(document.xml.path, row, code)
        num["all", "lines-with-words"] += len(lines)
        num["all", "kept"] += len(types)
        num.update(("all", kind) for kind in types)
        return lines

    def _placed(self, document: Document, num: Counter[tuple[str, str]], log: BuildLog) -> Placed:
        """The note and its events with a type and a place; the published scripts do not check the test set's."""
        note = read_events(document)
        is_checked = self.mode == "correct" or document.part == "train"
        placed = place(note, document.xml.path, REACH, is_checked=is_checked)
        untyped = [(mark.row, "event-without-type") for mark in placed.marks if not mark.label]
        for row, code in (*note.problems, *placed.problems, *untyped):
            log.anomaly(document.xml.path, row, code)
        num[document.part, "events"] += len(note.tags)
        num["all", "placed"] += len(placed.marks)
        typed = Placed(placed.text, tuple(mark for mark in placed.marks if mark.label), ())
        num["all", "typed"] += len(typed.marks)
        if document.extent is not None and (row := differs(document.extent, typed.text, typed.marks)) is not None:
            log.anomaly(document.extent.path, row or None, "extent-differs")
        return typed


def _report(num: Counter[tuple[str, str]], log: BuildLog, why: str | None) -> None:
    num_events = num["train", "events"] + num["test", "events"]
    placed, typed, kept, num_worded = (num["all", step] for step in ("placed", "typed", "kept", "lines-with-words"))
    log.filtered("lines-with-words", num_worded, num["all", "lines"] - num_worded)
    log.filtered("events-placed", placed, num_events - placed)
    log.filtered("events-with-type", typed, placed - typed)
    log.filtered("not-overlapped", kept, typed - kept)
    reasons: dict[str, str | None] = {}
    for part, published in NUM_DOCUMENTS.items():
        reasons[part] = documents_missing(part, num[part, "documents"], published)
        log.expect(f"{part}: documents", published, num[part, "documents"], "V")
    reasons["all"] = reasons["train"] or reasons["test"] or why
    for part, what, published, evidence in PUBLISHED:
        log.expect(f"{part}: {what}", published, num[part, what], evidence, reasons[part])
