"""mtsamples-specialties: every specialty that a sample transcription is listed under."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from clinpeft.sources.base import RawFiles
from clinpeft.sources.mtsamples import read_notes
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Task

NUM_NOTES = 2350
"""2,357 distinct transcriptions, less seven that hold a header only."""
SECTIONS = (
    *("PREOPERATIVE DIAGNOSIS", "PREOPERATIVE DIAGNOSES", "CHIEF COMPLAINT", "REASON FOR VISIT"),
    *("REASON FOR CONSULTATION", "REASON FOR EXAM", "EXAM", "PROCEDURE", "PROCEDURES", "PROCEDURE PERFORMED"),
    *("PROCEDURES PERFORMED", "OPERATION PERFORMED", "POSTOPERATIVE DIAGNOSIS", "POSTOPERATIVE DIAGNOSES"),
    *("SUBJECTIVE", "HISTORY OF PRESENT ILLNESS", "HISTORY", "INDICATION", "INDICATIONS"),
    *("INDICATIONS FOR PROCEDURE", "IMPRESSION", "ASSESSMENT", "ASSESSMENT AND PLAN", "DIAGNOSIS", "FINDINGS"),
    *("TECHNIQUE", "OPERATIVE PROCEDURE", "DESCRIPTION OF PROCEDURE", "PROCEDURE IN DETAIL", "HOSPITAL COURSE"),
    *("PAST MEDICAL HISTORY", "PAST SURGICAL HISTORY", "OBJECTIVE", "PHYSICAL EXAMINATION", "PHYSICAL EXAM"),
    *("LABORATORY DATA", "PLAN", "RECOMMENDATIONS", "DISPOSITION", "ANESTHESIA", "ESTIMATED BLOOD LOSS"),
    *("COMPLICATIONS", "SPECIMENS", "DRAINS", "REVIEW OF SYSTEMS", "MEDICATIONS", "CURRENT MEDICATIONS"),
    *("FAMILY HISTORY", "SOCIAL HISTORY", "ALLERGIES"),
)
"""The frequent headings, those first that name the organ or the kind of note."""


class MtSamplesSpecialties(Task):
    """One transcription, one or more of the specialties with at least `min_notes` distinct notes (21 of 40 at 50)."""

    kind: ClassVar[Kind] = "multilabel"
    source: ClassVar[str] = "mtsamples"
    metric: ClassVar[str] = "f1-micro"
    title: ClassVar[str] = "The specialties and note types (of 21) that a sample transcription is listed under"
    citation: ClassVar[str] = (
        "MTSamples, mtsamples.com: transcribed medical transcription sample reports and examples; collected by Tara "
        "Boyle, Medical Transcriptions, Kaggle 2018. There is no paper and no official split."
    )
    download: ClassVar[str] = (
        "https://www.kaggle.com/datasets/tboyle10/medicaltranscriptions (mtsamples.csv; the same table is "
        "data/mtsamples.rda of https://github.com/ML4LHS/clinspacy)"
    )
    licence: ClassVar[str] = "CC0 1.0 (as stated on Kaggle)"
    is_not: ClassVar[str] = (
        "Not hospital text and no sample of one hospital's notes: samples that transcriptionists sent in, line breaks "
        "turned into commas. Five labels are types of note, not specialties (consult, SOAP/progress note, discharge "
        "summary, emergency room report, radiology report), and 'Surgery' covers every operation; a missing label "
        "means only that the site did not list the note there. Copies with the same words are kept on one side, but "
        "about one test note in a hundred shares half of its phrases with a note of another split. Nothing identifies "
        "patients: each note counts as one. The split is clinpeft's own, so no published score compares."
    )
    sections: ClassVar[tuple[str, ...]] = SECTIONS
    split_by: ClassVar[str] = "document"

    min_notes: Annotated[int, Field(ge=1)] = 50
    """A specialty with fewer distinct notes is left out; notes of no other specialty go with it."""

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The notes in the order of their first row in the table; `data.build` splits them by subject."""
        notes = read_notes(raw)
        log.expect("distinct notes, those of a header only left out", NUM_NOTES, len(notes), "A")
        counts = Counter(specialty for note in notes for specialty in note.specialties)
        kept = 0
        for note in notes:
            labels = tuple(name for name in note.specialties if counts[name] >= self.min_notes)
            if labels:
                kept += 1
                key = str(note.numbers[0])
                yield Example(key, same_words(note.text), key, note.text, labels=labels)
        log.filtered(f"specialty-with-{self.min_notes}-notes", kept, len(notes) - kept)


def same_words(text: str) -> str:
    """One key for all texts with the same words, whatever their punctuation, blanks and case: SHA-1, 40 hex digits."""
    return hashlib.sha1(" ".join(re.findall(r"\w+", text.lower())).encode(), usedforsecurity=False).hexdigest()
