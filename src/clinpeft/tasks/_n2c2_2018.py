"""What the tasks on n2c2 2018 share: their card, the splits, and the notes with what is marked in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from clinpeft.sources._archives import RawText, text_of
from clinpeft.sources._n2c2_2018_annotations import Annotated, parse_annotations
from clinpeft.sources.base import RawFiles
from clinpeft.sources.n2c2_2018 import Part, read_documents
from clinpeft.tasks._hash_split import tenth_by_hash
from clinpeft.tasks._n2c2_terms import PORTAL
from clinpeft.tasks.base import BuildLog

SOURCE = "n2c2-2018"
CITATION = (
    "Sam Henry, Kevin Buchan, Michele Filannino, Amber Stubbs, Özlem Uzuner. 2018 n2c2 shared task on adverse drug "
    "events and medication extraction in electronic health records. JAMIA 27(1), 3-12 (2020)."
)
DOWNLOAD = f"{PORTAL} (2018 Track 2: ADE and Medication Extraction; agreement)"
IS_NOT = (
    "Nothing names patients: documents stand for them, and two notes may be of one patient. The notes are discharge "
    "summaries of MIMIC-III, so models pre-trained on MIMIC have read their text. The validation documents are ours "
    "(a tenth of the training ones, by hash), as published ones cannot be reproduced."
)
NUM_DOCUMENTS: dict[Part, int] = {"train": 303, "test": 202}
"""Train is with what validation takes from it."""


@dataclass(frozen=True, slots=True)
class Note:
    """One document; `text` has the line ends that the offsets count."""

    id: str
    part: Part
    split: Literal["train", "validation", "test"]
    text: str = field(repr=False)
    annotated: Annotated = field(repr=False)
    path: str
    """Of the `.ann` file, for the card's anomalies."""


def read_notes(raw: RawFiles, log: BuildLog) -> Iterator[Note]:
    """The notes, training ones first, by name; what is odd about a file is noted."""
    documents = read_documents(raw)
    validation = tenth_by_hash(SOURCE, (document.id for document in documents if document.part == "train"))
    for document in documents:
        text, is_cp1252 = text_of(document.text)
        if is_cp1252:
            log.anomaly(document.text.path, None, "read-as-cp1252")
        file = document.annotations
        if file is None:
            log.anomaly(document.text.path, None, "no-annotation-file")
            file = RawText(document.text.path, b"")
        annotated = parse_annotations(text, file)
        for row, code in annotated.odd:
            log.anomaly(file.path, row, code)
        yield Note(
            document.id,
            document.part,
            "validation" if document.id in validation else document.part,
            annotated.text,
            annotated,
            file.path,
        )


def expect_counts(
    num: Counter[tuple[Part, str]], published: Iterable[tuple[str, int, int]], log: BuildLog, noun: str
) -> None:
    """Compare documents and the lines of each type (name, in train, in test) with the published counts, and their
    sums; all are sums of recalled tables that agree with verified totals."""
    rows = list(published)
    for at, (part, num_documents) in enumerate(NUM_DOCUMENTS.items(), start=1):
        log.expect(f"{part}: documents", num_documents, num[part, "documents"], "A")
        log.expect(f"{part}: {noun}", sum(int(row[at]) for row in rows), sum(num[part, row[0]] for row in rows), "A")
        for row in rows:
            log.expect(f"{part}: {row[0]}", int(row[at]), num[part, row[0]], "A")
