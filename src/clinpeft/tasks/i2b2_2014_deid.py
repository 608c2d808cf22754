"""i2b2-2014-deid: find what names, dates or places a patient in a medical record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from clinpeft.sources._anchors import Placed, place
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2014 import (
    HIPAA_TYPES,
    PHI_TYPES,
    UNSEEN_TYPES,
    Document,
    read_documents,
    read_identifiers,
)
from clinpeft.tasks._hash_split import tenth_by_hash
from clinpeft.tasks._marked_lines import Line, documents_missing, example_of, lines_cut_at_marks, tagged_lines
from clinpeft.tasks._n2c2_terms import LICENCE, PORTAL, TERMS
from clinpeft.tasks.base import BuildLog, EntityTask, Example

REACH = 12
"""Characters that a tag may be off: after a curly apostrophe one file counts bytes."""
PUBLISHED = {
    "DATE": (7_507, 4_980),
    "DOCTOR": (2_885, 1_912),
    "HOSPITAL": (1_437, 875),
    "PATIENT": (1_316, 879),
    "AGE": (1_233, 764),
    "MEDICALRECORD": (611, 422),
    "CITY": (394, 260),
    "STATE": (314, 190),
    "PHONE": (309, 215),
    "USERNAME": (264, 92),
    "IDNUM": (261, 195),
    "PROFESSION": (234, 179),
    "STREET": (216, 136),
    "ZIP": (212, 140),
    "ORGANIZATION": (124, 82),
    "COUNTRY": (66, 117),
    "FAX": (8, 2),
    "DEVICE": (7, 8),
    "EMAIL": (4, 1),
    "LOCATION-OTHER": (4, 13),
    "URL": (2, 0),
    "HEALTHPLAN": (1, 0),
    "BIOID": (1, 0),
    "tags": (17_410, 11_462),
}
"""In train (with what validation takes from it) and test."""
NUM_DOCUMENTS = {"train": 790, "test": 514}
NUM_PATIENTS = 296
_WHY = "the published scripts make one of dates that touch (28 in the release)"


class I2b22014Deid(EntityTask):
    """One line of a record and what in it could tell who the patient is: names, dates, places, numbers."""

    source: ClassVar[str] = "i2b2-2014"
    labels: ClassVar[tuple[str, ...] | None] = PHI_TYPES
    title: ClassVar[str] = "De-identification: names, dates, places, contacts and numbers in medical records"
    citation: ClassVar[str] = (
        "Amber Stubbs, Christopher Kotfila, Özlem Uzuner. Automated systems for the de-identification of longitudinal "
        "clinical narratives: overview of 2014 i2b2/UTHealth shared task track 1. J Biomed Inform 58S, S11-S19 (2015)."
    )
    download: ClassVar[str] = f"{PORTAL} (2014 De-identification Challenge; agreement)"
    licence: ClassVar[str] = LICENCE
    terms: ClassVar[tuple[str, ...]] = TERMS
    is_not: ClassVar[str] = (
        "No proof that a model makes notes safe to share: names and dates are surrogates, all from one hospital group, "
        "and what a model misses still identifies. The metric is strict and over all types; `types=hipaa` builds the "
        "challenge's HIPAA subset. The notes are also those of n2c2 2022. The validation patients are ours, as "
        "published ones cannot be reproduced. Published scores come from tokens cut where gold entities end "
        "(--compat paper), which is easier."
    )

    types: Literal["all", "hipaa"] = "all"
    """`hipaa` marks only what the HIPAA rule names, as the challenge's second ranking counts: no doctors, hospitals,
    professions, user names, states or countries."""

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The lines that hold any word, by part, record and line of its CDATA from 1; `<patient>-<record>:<line>`."""
        documents = read_documents(raw)
        training = (document.patient for document in documents if document.part == "train")
        validation = tenth_by_hash(self.source, training)
        num: Counter[tuple[str, str]] = Counter()
        log.label_space(self._wanted())
        for document in documents:
            num[document.part, "documents"] += 1
            # A patient with a test record as well stays in train and test, which the build refuses.
            is_validation = document.part == "train" and document.patient in validation
            split = "validation" if is_validation else document.part
            for line in self._lines(document, num, log):
                yield example_of(line, document.id, document.patient, split)
        _report(num, log, self._reasons())
        log.expect("patients", NUM_PATIENTS, len({document.patient for document in documents}), "A")

    def _lines(self, document: Document, num: Counter[tuple[str, str]], log: BuildLog) -> list[Line]:
        placed = self._placed(document, num, log)
        num["all", "lines"] += placed.text.count("\n") + 1
        if self.mode == "paper":
            lines, types = lines_cut_at_marks(placed.text, placed.marks)
        else:
            lines, kept, problems = tagged_lines(placed.text, placed.marks)
            types = [mark.label for mark in kept]
            for row, code in problems:
                log.anomaly(document.xml.path, row, code)
        num["all", "lines-with-words"] += len(lines)
        num["all", "kept"] += len(types)
        num.update((document.part, kind) for kind in types)
        return lines

    def _placed(self, document: Document, num: Counter[tuple[str, str]], log: BuildLog) -> Placed:
        """The note and its tags that have a place; the published scripts do not check the test set's."""
        note = read_identifiers(document)
        is_checked = self.mode == "correct" or document.part == "train"
        placed = place(note, document.xml.path, REACH, is_checked=is_checked)
        unseen = [(mark.row, "type-not-in-the-release") for mark in placed.marks if mark.label in UNSEEN_TYPES]
        for row, code in (*note.problems, *placed.problems, *unseen):
            log.anomaly(document.xml.path, row, code)
        num[document.part, "tags"] += len(note.tags)
        num["all", "placed"] += len(placed.marks)
        num["all", "known"] += sum(mark.label in PHI_TYPES for mark in placed.marks)
        wanted = tuple(mark for mark in placed.marks if mark.label in self._wanted())
        num["all", "wanted"] += len(wanted)
        return Placed(placed.text, wanted, ())

    def _wanted(self) -> tuple[str, ...]:
        return PHI_TYPES if self.types == "all" else HIPAA_TYPES

    def _reasons(self) -> dict[str, str]:
        """Why the number of a type may differ from the published one of a whole release."""
        reasons = {kind: "types=hipaa leaves this type out" for kind in PHI_TYPES if kind not in self._wanted()}
        return {"DATE": _WHY, **reasons} if self.mode == "paper" else reasons


def _report(num: Counter[tuple[str, str]], log: BuildLog, reasons: Mapping[str, str]) -> None:
    num_tags = num["train", "tags"] + num["test", "tags"]
    steps = ("placed", "known", "wanted", "kept", "lines-with-words")
    placed, known, wanted, kept, num_worded = (num["all", step] for step in steps)
    log.filtered("lines-with-words", num_worded, num["all", "lines"] - num_worded)
    log.filtered("tags-placed", placed, num_tags - placed)
    log.filtered("tags-of-the-release", known, placed - known)
    if wanted < known:
        log.filtered("tags-of-the-types-asked-for", wanted, known - wanted)
    log.filtered("not-overlapped", kept, wanted - kept)
    for at, (part, num_documents) in enumerate(NUM_DOCUMENTS.items()):
        missing = documents_missing(part, num[part, "documents"], num_documents)
        log.expect(f"{part}: documents", num_documents, num[part, "documents"], "A")
        for what, published in PUBLISHED.items():
            log.expect(f"{part}: {what}", published[at], num[part, what], "A", missing or reasons.get(what))
