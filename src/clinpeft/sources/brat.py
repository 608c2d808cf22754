"""brat standoff: a `.txt` file and an `.ann` file of entities and relations for each document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.sources._strict_text import read_strict_text
from clinpeft.sources.base import RawFiles, Source

_ENTITY = re.compile(r"(?P<id>T\S+)\t(?P<label>\S+) (?P<spans>\d+ \d+(?:;\d+ \d+)*)(?:\t(?P<text>.*))?")
_RELATION = re.compile(r"(?P<id>R\S+)\t(?P<label>\S+) \S+?:(?P<head>\S+) \S+?:(?P<tail>\S+)\s*")
_ATTRIBUTE = re.compile(r"(?P<id>[AM]\S+)\t\S+ (?P<target>\S+)(?: .*)?")


@dataclass(frozen=True, slots=True)
class BratEntity:
    """An entity: code-point offsets into the document's text, end exclusive."""

    id: str
    start: int
    end: int
    """Of the last piece, where it is discontinuous."""
    label: str
    is_discontinuous: bool
    line: int


@dataclass(frozen=True, slots=True)
class BratRelation:
    """A relation between two entities, by their ids."""

    id: str
    head: str
    tail: str
    label: str
    line: int


@dataclass(frozen=True)
class BratDocument:
    """One document; `id` is its path below the folder, without suffix."""

    id: str
    text: str = field(repr=False)
    entities: tuple[BratEntity, ...]
    relations: tuple[BratRelation, ...]
    has_annotations: bool
    """False where the `.ann` file is missing."""


class Brat(Source):
    """The format, for tasks by files; a release in this format has a source of its own."""

    title = "brat standoff: text and annotations side by side"

    def is_here(self, folder: Path) -> bool:
        """Whether an `.ann` file lies at any depth."""
        return next(folder.rglob("*.ann"), None) is not None


def read_brat(raw: RawFiles, folder: Path) -> Iterator[BratDocument]:
    """The documents below `folder`, sorted by path; hidden files are left alone.

    Attributes and notes are checked for what they point to and otherwise left out. Raises BadInput with file, line
    and rule: `.ann` without `.txt`, two files that differ by case only, a line that breaks the format, an offset or a
    text that does not fit, a relation or an attribute of an unknown id.
    """
    texts = {_stem(folder, path): path for path in _visible(folder, "*.txt")}
    annotations = {_stem(folder, path): path for path in _visible(folder, "*.ann")}
    if lost := sorted(set(annotations) - set(texts)):
        raise BadInput(str(annotations[lost[0]]), f"has no .txt file beside it ({len(lost)} such files)")
    folded: dict[str, str] = {}
    for stem in sorted(texts):
        if folded.setdefault(stem.casefold(), stem) != stem:
            raise BadInput(str(texts[stem]), "another file has the same name but for case", "rename one")
    if not texts:
        raise BadInput(str(folder), "holds no .txt files")
    for stem in sorted(texts):
        yield _document(raw, stem, texts[stem], annotations.get(stem))


def _visible(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.rglob(pattern))
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _stem(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _document(raw: RawFiles, stem: str, text_path: Path, annotation_path: Path | None) -> BratDocument:
    text = read_strict_text(raw, text_path)
    if annotation_path is None:
        return BratDocument(stem, text, (), (), has_annotations=False)
    entities: list[BratEntity] = []
    relations: list[BratRelation] = []
    targets: list[tuple[int, str]] = []
    ids: set[str] = set()
    for number, line in _annotation_lines(raw, annotation_path):
        where = f"{annotation_path.name}: line {number}"
        if line[0] in "TRAME":
            id_ = line.split("\t")[0]
            if id_ in ids:
                raise BadInput(where, "repeats an id")
            ids.add(id_)
        if line.startswith("T"):
            entities.append(_entity(where, number, line, text))
        elif line.startswith("R"):
            relations.append(_relation(where, number, line))
            targets += [(number, relations[-1].head), (number, relations[-1].tail)]
        elif line.startswith(("A", "M")):
            targets.append((number, _attribute_target(where, line)))
        elif line[0] not in "EN#*":
            raise BadInput(where, "begins with no known mark (T, R, A, M, E, N, #, *)")
    for number, target in targets:
        if target not in ids:
            raise BadInput(f"{annotation_path.name}: line {number}", "points to an id that is not there")
    return BratDocument(stem, text, tuple(entities), tuple(relations), has_annotations=True)


def _annotation_lines(raw: RawFiles, path: Path) -> Iterator[tuple[int, str]]:
    """No annotation at all is an empty file, which is fine here."""
    if path.stat().st_size == 0:
        raw.note(path)
        return
    for number, line in enumerate(read_strict_text(raw, path).split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _entity(where: str, number: int, line: str, text: str) -> BratEntity:
    found = _ENTITY.fullmatch(line)
    if not found:
        raise BadInput(where, "is no entity line", "write id, tab, type and offsets, tab, text")
    pieces = [(int(start), int(end)) for start, end in (piece.split() for piece in found["spans"].split(";"))]
    end_before = 0
    for start, end in pieces:
        if not end_before <= start < end:
            raise BadInput(where, "an offset pair starts at or after its end, or before the pair in front of it")
        if end > len(text):
            raise BadInput(where, f"ends at {end}, beyond the text of {len(text)} characters")
        end_before = end
    covered = " ".join(text[start:end] for start, end in pieces)
    if found["text"] is not None and _flat(found["text"]) != _flat(covered):
        raise BadInput(
            where, "its text differs from the .txt file at its offsets", "offsets count characters, not bytes"
        )
    return BratEntity(found["id"], pieces[0][0], pieces[-1][1], found["label"], len(pieces) > 1, number)


def _flat(text: str) -> str:
    """brat writes a line break inside an entity as a blank."""
    return re.sub(r"\s+", " ", text).strip()


def _relation(where: str, number: int, line: str) -> BratRelation:
    found = _RELATION.fullmatch(line)
    if not found:
        raise BadInput(where, "is no relation line", "write id, tab, type Arg1:id Arg2:id")
    return BratRelation(found["id"], found["head"], found["tail"], found["label"], number)


def _attribute_target(where: str, line: str) -> str:
    found = _ATTRIBUTE.fullmatch(line)
    if not found:
        raise BadInput(where, "is no attribute line", "write id, tab, name, id, value")
    return found["target"]
