"""What the tasks on i2b2/VA 2010 share: their card, the splits, and concepts with their place in the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeVar

from clinpeft.sources._archives import RawText, text_of
from clinpeft.sources._i2b2_2010_annotations import Concept, Place, Stretch, lines_of, places_of
from clinpeft.sources.i2b2_2010 import Document, Part
from clinpeft.tasks._hash_split import tenth_by_hash
from clinpeft.tasks._n2c2_terms import PORTAL
from clinpeft.tasks.base import BuildLog

SplitName = Literal["train", "validation", "test"]
Side = Literal["train", "test"]
SOURCE = "i2b2-2010"
CITATION = (
    "Özlem Uzuner, Brett R. South, Shuying Shen, Scott L. DuVall. 2010 i2b2/VA challenge on concepts, assertions, "
    "and relations in clinical text. JAMIA 18(5), 552-556 (2011)."
)
DOWNLOAD = f"{PORTAL} (2010 Relations Challenge; agreement)"
IS_NOT = (
    "Not the full challenge corpus: the Pittsburgh records are no longer given out (170 of 394 training documents "
    "remain), so scores of 2010 do not compare. Nothing names patients: documents stand for them. The validation "
    "documents are ours, as published ones cannot be reproduced. The beth notes may also stand in MIMIC-III."
)
NUM_DOCUMENTS: dict[Side, int] = {"train": 170, "test": 256}
"""Of the release without the Pittsburgh records; train is with what validation takes from it."""

S = TypeVar("S", bound=Stretch)


def validation_documents(documents: Sequence[Document]) -> set[str]:
    """Of each hospital a tenth of its training documents by hash; a hospital's only document stays in train."""
    parts: tuple[Part, ...] = ("beth", "partners")
    of_part = ([document.id for document in documents if document.part == part] for part in parts)
    return {id_ for ids in of_part for id_ in tenth_by_hash(SOURCE, ids)}


def split_of(document: Document, validation: set[str]) -> SplitName:
    """The document's split; `validation` are the ids of documents taken from the training part."""
    return "validation" if document.id in validation else side_of(document)


def side_of(document: Document) -> Side:
    """The part of the challenge that published counts are given for."""
    return "test" if document.part == "test" else "train"


def expect_counts(
    num: Counter[tuple[str, str]],
    published: Mapping[Side, Mapping[str, int]],
    verified: Collection[tuple[str, str]],
    log: BuildLog,
    why: Mapping[Side, str | None] | None = None,
) -> None:
    """Compare ours with the published counts of each side (side, what → how many).

    verified: which of them stand in published code; the others agree in their sums. why: what explains a difference.
    """
    for side, counts in published.items():
        for what, count in counts.items():
            evidence: Literal["V", "A"] = "V" if (side, what) in verified else "A"
            log.expect(f"{side}: {what}", count, num[side, what], evidence, why[side] if why else None)


def read_lines(document: Document, log: BuildLog) -> list[str]:
    """The document's lines; that it is no UTF-8 is noted."""
    text, is_cp1252 = text_of(document.text)
    if is_cp1252:
        log.anomaly(document.text.path, None, "read-as-cp1252")
    return lines_of(text)


def without_copies(concepts: Iterable[Concept], file: RawText, log: BuildLog) -> Iterator[Concept]:
    """The concepts without those that stand a second time at the same tokens with the same type, which are noted."""
    seen = set()
    for concept in concepts:
        key = concept.start_line, concept.start_token, concept.end_line, concept.end_token, concept.type
        if key in seen:
            log.anomaly(file.path, concept.row, "duplicate-concept")
        else:
            seen.add(key)
            yield concept


def placed(
    stretches: Iterable[S], lines: Sequence[str], file: RawText, log: BuildLog, noun: str
) -> Iterator[tuple[S, list[Place]]]:
    """The stretches that have a place in the text, with it; what is odd about one is noted under `noun`."""
    for stretch in stretches:
        places, is_counted_otherwise = places_of(stretch, lines)
        if not places:
            log.anomaly(file.path, stretch.row, f"{noun}-text-differs")
            continue
        if is_counted_otherwise:
            log.anomaly(file.path, stretch.row, "tokens-counted-otherwise")
        if stretch.start_line != stretch.end_line:
            log.anomaly(file.path, stretch.row, f"{noun}-across-lines")
        yield stretch, places


def passage(lines: Sequence[str], first: int, last: int) -> str:
    """The text of the lines `first` to `last` (included), parted by line feeds; one line as a rule."""
    return "\n".join(lines[first - 1 : last])


def span_in_passage(lines: Sequence[str], first: int, places: Sequence[Place]) -> tuple[int, int]:
    """Offsets of a stretch with these places in a passage that begins with line `first`.

    >>> span_in_passage(["no acute", "distress ."], 1, [Place(1, 3, 8), Place(2, 0, 8)])
    (3, 17)
    """
    start, end = (sum(len(line) + 1 for line in lines[first - 1 : place.line - 1]) for place in (places[0], places[-1]))
    return start + places[0].start, end + places[-1].end
