"""CoNLL files: a word and its tag a line, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.sources._strict_text import strict_lines
from clinpeft.sources.base import RawFiles, Source

SUFFIXES = (".conll", ".iob", ".iob2", ".bio", ".txt", ".tsv")

_DOCUMENT = re.compile(r"#+\s*(?:newdoc\s+id|doc(?:ument)?(?:[ _-]?id)?|id)\s*[=:]\s*(\S.*)", re.IGNORECASE)
_COMMENT = re.compile(r"#\s*[A-Za-z][\w. ]*\s*=.*")
_TAG = re.compile(r"O|[BIESLU]-\S.*")


@dataclass(frozen=True, slots=True)
class Sentence:
    """The words of one sentence and their IOB2 tags.

    `document` is the id that the file gives, `#1`, `#2`, … for documents that are marked but not named, or None
    before the first mark.
    """

    document: str | None
    line: int
    """Of its first word."""
    tokens: tuple[str, ...] = field(repr=False)
    tags: tuple[str, ...]


class Conll(Source):
    """The format, for tasks by files; a release in this format has a source of its own."""

    title = "CoNLL columns: a word and its tag a line"

    def is_here(self, folder: Path) -> bool:
        """Whether a file has a CoNLL suffix."""
        return any(path.suffix in SUFFIXES for path in folder.iterdir())


def read_conll(raw: RawFiles, path: Path) -> Iterator[Sentence]:
    """The sentences in order: first column the word, last column the tag, tabs or else blanks between.

    IOB1, IOB2, BIOES and BILOU tags come out as IOB2. `-DOCSTART-` begins a document, as does a comment
    `# doc_id = …`. Raises BadInput with the line of a row without two columns, with another number of columns than
    the first, or of a tag that its scheme does not allow.
    """
    rows: list[tuple[int, str, str]] = []
    sentences: list[tuple[str | None, list[tuple[int, str, str]]]] = []
    document, num_documents, num_columns = None, 0, 0
    for number, line in strict_lines(raw, path):
        mark = _DOCUMENT.fullmatch(line.strip())
        is_start = line.startswith("-DOCSTART-")
        if not line.strip() or mark or is_start:
            if rows:
                sentences.append((document, rows))
                rows = []
            if mark or is_start:
                num_documents += 1
                document = mark[1].strip() if mark else _docstart_id(line) or f"#{num_documents}"
            continue
        if "\t" not in line and _COMMENT.fullmatch(line):
            continue
        columns = line.split("\t") if "\t" in line else line.split()
        num_columns = num_columns or len(columns)
        rows.append((number, *_word_and_tag(path, number, columns, num_columns)))
    if rows:
        sentences.append((document, rows))
    scheme = _scheme([[tag for _, _, tag in rows] for _, rows in sentences])
    for document, rows in sentences:
        tags = _as_iob2(path, scheme, [(number, tag) for number, _, tag in rows])
        yield Sentence(document, rows[0][0], tuple(word for _, word, _ in rows), tags)


def _docstart_id(line: str) -> str | None:
    found = re.search(r"\(([^()]+)\)", line)
    return found[1].strip() if found else None


def _word_and_tag(path: Path, number: int, columns: Sequence[str], num_columns: int) -> tuple[str, str]:
    where = f"{path.name}: line {number}"
    if len(columns) < 2:
        raise BadInput(where, "has one column", "a line is a word and its tag, or blank after a sentence")
    if len(columns) != num_columns:
        raise BadInput(where, f"has {len(columns)} columns where the first line has {num_columns}")
    word, tag = columns[0].strip(), columns[-1].strip()
    if not word:
        raise BadInput(where, "has an empty word")
    if not _TAG.fullmatch(tag):
        raise BadInput(where, "its last column is no tag", "tags are O, B-type, I-type (or E-, S-, L-, U-)")
    return word, tag


def _scheme(sentences: Sequence[Sequence[str]]) -> str:
    """IOB1 writes `B-` only to part two neighbours of one type; the first `B-` elsewhere makes the file IOB2."""
    if any(tag[0] in "ESLU" for tags in sentences for tag in tags):
        return "BIOES"
    for tags in sentences:
        for before, tag in zip(["O", *tags], tags, strict=False):
            if tag.startswith("B-") and before[2:] != tag[2:]:
                return "IOB2"
    return "IOB1"


def _as_iob2(path: Path, scheme: str, tags: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    result = []
    open_type = ""  # of the entity that the next I-, E- or L- may go on
    before = "O"
    for number, tag in (*tags, (tags[-1][0], "O")):
        prefix, type_ = tag[0], tag[2:]
        goes_on = prefix in "IEL" and open_type == type_ and open_type != ""
        if prefix in "IEL" and not goes_on and scheme != "IOB1":
            raise BadInput(f"{path.name}: line {number}", f"its tag goes on an entity that is not open ({scheme})")
        if scheme == "BIOES" and before[0] in "BI" and not goes_on:
            raise BadInput(f"{path.name}: line {number}", "an entity before it is not closed by E- or L- (BIOES)")
        result.append("O" if tag == "O" else f"I-{type_}" if goes_on else f"B-{type_}")
        open_type = type_ if prefix in "BI" else ""
        before = tag
    return tuple(result[:-1])
