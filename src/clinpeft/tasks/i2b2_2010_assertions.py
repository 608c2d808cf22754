"""i2b2-2010-assertions: does the patient have the problem that the note mentions?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from clinpeft.sources._i2b2_2010_annotations import (
    ASSERTIONS,
    Assertion,
    Place,
    parse_assertions,
    parse_concepts,
    places_of,
)
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import Document, read_documents
from clinpeft.spec import Kind
from clinpeft.tasks import _i2b2_2010 as shared
from clinpeft.tasks._n2c2_terms import LICENCE, TERMS
from clinpeft.tasks.base import BuildLog, Example, Task

PUBLISHED: dict[shared.Side, dict[str, int]] = {
    "train": {
        "documents": shared.NUM_DOCUMENTS["train"],
        "assertions": 7_073,
        "present": 4_624,
        "absent": 1_596,
        "possible": 309,
        "conditional": 73,
        "hypothetical": 382,
        "associated_with_someone_else": 89,
    },
    "test": {
        "documents": shared.NUM_DOCUMENTS["test"],
        "assertions": 12_592,
        "present": 8_622,
        "absent": 2_594,
        "possible": 652,
        "conditional": 148,
        "hypothetical": 445,
        "associated_with_someone_else": 131,
    },
}
"""Lines of .ast files in the release without the Pittsburgh records; train is with what validation takes from it."""
_VERIFIED = {("train", "documents"), ("test", "documents"), ("train", "assertions")}
Where = tuple[tuple[int, int, int], ...]


class I2b22010Assertions(Task):
    """One marked problem, one of six assertions: the challenge's second task, concepts given."""

    kind: ClassVar[Kind] = "classification"
    source: ClassVar[str] = shared.SOURCE
    metric: ClassVar[str] = "f1-micro"
    labels: ClassVar[tuple[str, ...] | None] = ASSERTIONS
    title: ClassVar[str] = "What a note says of a medical problem: present, absent, possible, conditional, …"
    citation: ClassVar[str] = shared.CITATION
    download: ClassVar[str] = shared.DOWNLOAD
    licence: ClassVar[str] = LICENCE
    terms: ClassVar[tuple[str, ...]] = TERMS
    is_not: ClassVar[str] = (
        f"{shared.IS_NOT} The problems are given, not found. Two thirds are `present`: read macro F1 beside micro F1, "
        "which equals accuracy. Only the problem's own line is shown, so a heading above it ('Family history') is not."
    )
    split_by: ClassVar[str] = "document"

    opening: Annotated[str, Field(min_length=1)] = "[CONCEPT]"
    """What stands before the problem, as plain text."""
    closing: Annotated[str, Field(min_length=1)] = "[/CONCEPT]"
    """What stands behind it."""

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The asserted problems by part, document and line of the `.ast` file; `<document>.ast:<line>`."""
        documents = read_documents(raw, ("con", "ast"))
        validation = shared.validation_documents(documents)
        num: Counter[tuple[str, str]] = Counter()
        for document in documents:
            num[shared.side_of(document), "documents"] += 1
            split = shared.split_of(document, validation)
            for assertion, text in self._marked(document, num, log):
                id_ = f"{document.id}.ast:{assertion.row}"
                yield Example(id_, document.id, document.id, text, split=split, label=assertion.value)
        _report(num, log)

    def _marked(
        self, document: Document, num: Counter[tuple[str, str]], log: BuildLog
    ) -> Iterator[tuple[Assertion, str]]:
        """The document's assertions, each with its line, the problem marked."""
        lines = shared.read_lines(document, log)
        if "ast" not in document.annotations:
            log.anomaly(document.text.path, None, "no-assertion-file")
            return
        file = document.annotations["ast"]
        assertions = parse_assertions(file, len(lines))
        side = shared.side_of(document)
        for assertion in assertions:
            num.update(((side, "assertions"), (side, assertion.value), ("all", "assertions")))
        asserted: dict[Where, Assertion] = {}
        for assertion, places in shared.placed(assertions, lines, file, log, "assertion"):
            num["all", "placed"] += 1
            first = asserted.setdefault(_where(places), assertion)
            if first is assertion:
                num["all", "kept"] += 1
                yield assertion, marked(lines, places, self.opening, self.closing)
            else:
                # Of two different assertions the first stays: nothing tells which is right.
                is_same = first.value == assertion.value
                log.anomaly(file.path, assertion.row, "duplicate-assertion" if is_same else "second-assertion")
        _compare_with_concepts(document, lines, asserted, log)


def marked(lines: Sequence[str], places: Sequence[Place], opening: str, closing: str) -> str:
    """The line (or lines) of the places, with the words at them between `opening` and `closing`.

    >>> marked(["no fever ."], [Place(1, 3, 8)], "<", ">")
    'no < fever > .'
    """
    first = places[0].line
    text = shared.passage(lines, first, places[-1].line)
    start, end = shared.span_in_passage(lines, first, places)
    return f"{text[:start]}{opening} {text[start:end]} {closing}{text[end:]}"


def _compare_with_concepts(
    document: Document, lines: Sequence[str], asserted: dict[Where, Assertion], log: BuildLog
) -> None:
    """Note what only one of the two files calls a problem."""
    if "con" not in document.annotations:
        log.anomaly(document.text.path, None, "no-concept-file")
        return
    file = document.annotations["con"]
    concepts = [concept for concept in parse_concepts(file, len(lines)) if concept.type == "problem"]
    problems = {_where(places_of(concept, lines)[0]): concept for concept in concepts}
    for where, concept in problems.items():
        if where and where not in asserted:
            log.anomaly(file.path, concept.row, "problem-without-assertion")
    for where, assertion in asserted.items():
        if where not in problems:
            log.anomaly(document.annotations["ast"].path, assertion.row, "assertion-without-problem")


def _where(places: Iterable[Place]) -> Where:
    return tuple((place.line, place.start, place.end) for place in places)


def _report(num: Counter[tuple[str, str]], log: BuildLog) -> None:
    log.filtered("assertions-placed", num["all", "placed"], num["all", "assertions"] - num["all", "placed"])
    log.filtered("one-assertion-a-problem", num["all", "kept"], num["all", "placed"] - num["all", "kept"])
    shared.expect_counts(num, PUBLISHED, _VERIFIED, log)
