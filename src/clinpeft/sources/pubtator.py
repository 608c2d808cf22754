"""PubTator: title and abstract, mentions with concept ids, and relations between concepts of the document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.sources._strict_text import strict_lines
from clinpeft.sources.base import RawFiles, Source

_TEXT = re.compile(r"(?P<id>[^|\t]+)\|(?P<part>[ta])\|(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Mention:
    """A mention of one or more concepts: code-point offsets into title, a blank, abstract; end exclusive."""

    start: int
    end: int
    label: str
    concepts: tuple[str, ...]
    """Empty where the file gives none (`-1`, `-`)."""
    line: int


@dataclass(frozen=True, slots=True)
class ConceptRelation:
    """A relation of two concepts anywhere in the document."""

    label: str
    head: str
    tail: str
    line: int


@dataclass(frozen=True)
class PubTatorDocument:
    """One document; `text` is title, a blank, abstract."""

    id: str
    text: str = field(repr=False)
    mentions: tuple[Mention, ...]
    relations: tuple[ConceptRelation, ...]
    line: int
    misplaced: tuple[int, ...] = ()
    """Lines of mentions whose text differs from the document's at their offsets; they are left out."""


class Pubtator(Source):
    """The format, for tasks by files; a release in this format has a source of its own."""

    title = "PubTator: title, abstract, mentions and relations"

    def is_here(self, folder: Path) -> bool:
        """Whether a file is named like PubTator."""
        return any(".pubtator" in path.name.casefold() for path in folder.iterdir())


def read_pubtator(raw: RawFiles, path: Path, *, allow_misplaced: bool = False) -> Iterator[PubTatorDocument]:
    """The documents in order of the file.

    allow_misplaced: leave out a mention whose text is not at its offsets, and list its line, rather than refuse it.
    Raises BadInput with file, line and rule for a line that breaks the format, belongs to another document, or has
    offsets beyond the text; and for a document id given twice.
    """
    seen: set[str] = set()
    for block in _blocks(raw, path):
        document = _document(path, block, allow_misplaced)
        if document.id in seen:
            raise BadInput(f"{path.name}: line {document.line}", "its document id stands twice in the file")
        seen.add(document.id)
        yield document


def _blocks(raw: RawFiles, path: Path) -> Iterator[list[tuple[int, str]]]:
    block: list[tuple[int, str]] = []
    for number, line in strict_lines(raw, path):
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _document(path: Path, block: list[tuple[int, str]], allow_misplaced: bool) -> PubTatorDocument:
    parts: dict[str, str] = {}
    id_ = ""
    for _, line in block[:2]:
        found = _TEXT.fullmatch(line)
        if found and found["id"] == (id_ or found["id"]):
            parts[found["part"]] = found["text"]
            id_ = found["id"]
    if "t" not in parts:
        raise BadInput(f"{path.name}: line {block[0][0]}", "a document must begin with `id|t|title`")
    text = parts["t"] + (f" {parts['a']}" if "a" in parts else "")
    mentions, relations, misplaced = [], [], []
    for number, line in block[len(parts) :]:
        where = f"{path.name}: line {number}"
        columns = line.split("\t")
        if columns[0] != id_:
            raise BadInput(where, "belongs to another document than the lines above it", "put a blank line between")
        if len(columns) == 4 and not columns[1].isdigit():
            relations.append(ConceptRelation(columns[1], columns[2], columns[3], number))
        elif mention := _mention(where, number, columns, text, allow_misplaced):
            mentions.append(mention)
        else:
            misplaced.append(number)
    return PubTatorDocument(id_, text, tuple(mentions), tuple(relations), block[0][0], tuple(misplaced))


def _mention(where: str, number: int, columns: list[str], text: str, allow_misplaced: bool) -> Mention | None:
    if len(columns) < 5 or not (columns[1].isdecimal() and columns[2].isdecimal()) or not columns[4]:
        raise BadInput(where, "is neither a mention (id, start, end, text, type, concept) nor a relation (4 columns)")
    start, end = int(columns[1]), int(columns[2])
    if not start < end <= len(text):
        raise BadInput(where, f"its offsets do not fit the text of {len(text)} characters")
    if text[start:end] != columns[3]:
        if allow_misplaced:
            return None
        raise BadInput(
            where, "its text differs from the document's at its offsets", "offsets count characters, not bytes"
        )
    concepts = columns[5] if len(columns) > 5 else ""
    known = tuple(name for name in re.split(r"[|;,+]", concepts) if name.strip() not in {"", "-1", "-"})
    return Mention(start, end, columns[4], known, number)
