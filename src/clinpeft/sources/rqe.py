"""RQE: pairs of medical questions, in two XML files of flat `<pair>` elements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from xml.parsers import expat

from clinpeft.errors import BadInput
from clinpeft.sources._strict_text import read_strict_text
from clinpeft.sources.base import RawFiles, Source

TRAIN, TEST = "RQE_Train_8588_AMIA2016.xml", "RQE_Test_302_pairs_AMIA2016.xml"
TEXTS = ("chq", "faq")


@dataclass(frozen=True, slots=True)
class QuestionPair:
    """Does an answer to `faq` answer `chq` as well, at least in part?"""

    line: int
    id: str
    is_entailed: bool
    chq: str = field(repr=False)
    """The question asked (consumer health question)."""
    faq: str = field(repr=False)
    """The question it is compared with (frequently asked question); empty when the file leaves it out."""


class Rqe(Source):
    """The training and the test file of the AMIA 2016 release."""

    title: ClassVar[str] = "RQE: recognizing question entailment, clinical and consumer health question pairs"
    release: ClassVar[str | None] = "RQE_Data_AMIA2016 9302fb9 (2026-05-13)"
    folders: ClassVar[tuple[str, ...]] = ("rqe", "RQE_Data_AMIA2016")

    def is_here(self, folder: Path) -> bool:
        """Whether both files are there."""
        return (folder / TRAIN).is_file() and (folder / TEST).is_file()


def read_question_pairs(raw: RawFiles, name: str) -> Iterator[QuestionPair]:
    """The pairs of file `name` in file order, blanks around a question removed.

    Raises BadInput with the line for XML that is broken or declares a document type or entities (which can make a
    small file huge or read others), and for a pair without pid, value `true`/`false`, chq or faq, or with a pid again.
    """
    seen: set[str] = set()
    for line, attributes, texts in _pairs(raw, name):
        where = f"{name}: line {line}"
        if attributes.get("value") not in {"true", "false"} or not attributes.get("pid"):
            raise BadInput(where, "pair needs pid and a value of true or false", "download the file again")
        if attributes["pid"] in seen:
            raise BadInput(where, "repeats a pid", "download the file again")
        if set(texts) != set(TEXTS):
            raise BadInput(where, "pair needs one chq and one faq", "download the file again")
        seen.add(attributes["pid"])
        chq, faq = (texts[key].strip() for key in TEXTS)
        yield QuestionPair(line, attributes["pid"], attributes["value"] == "true", chq, faq)


def _pairs(raw: RawFiles, name: str) -> list[tuple[int, dict[str, str], dict[str, str]]]:
    """(line, attributes, text of each child) of every pair."""
    pairs: list[tuple[int, dict[str, str], dict[str, str]]] = []
    path: list[str] = []
    parser = expat.ParserCreate()

    def start(element: str, attributes: dict[str, str]) -> None:
        path.append(element)
        if path[1:] == ["pair"]:
            pairs.append((parser.CurrentLineNumber, attributes, {}))
        elif len(path) == 3 and path[1] == "pair" and element in TEXTS and element not in pairs[-1][2]:
            pairs[-1][2][element] = ""
        elif len(path) > 1:
            raise BadInput(f"{name}: line {parser.CurrentLineNumber}", "holds an element out of place")

    def text(data: str) -> None:
        if len(path) == 3:
            pairs[-1][2][path[2]] += data

    def refuse(*_: Any) -> None:
        rule = "declares a document type, which is refused"
        raise BadInput(f"{name}: line {parser.CurrentLineNumber}", rule, "download the file again")

    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda _: path.pop()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(read_strict_text(raw, raw.root / name), True)
    except expat.ExpatError as error:
        raise BadInput(f"{name}: line {error.lineno}", "is not valid XML", "download the file again") from None
    return pairs
