"""i2b2/VA 2010: discharge summaries and progress notes with problems, treatments and tests marked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, get_args

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, files_below, text_of
from clinpeft.sources._positions import listed
from clinpeft.sources.base import RawFiles, Source

Part = Literal["beth", "partners", "test"]
ConceptType = Literal["problem", "treatment", "test"]
CONCEPT_TYPES: tuple[ConceptType, ...] = get_args(ConceptType)
ARCHIVES = ("concept_assertion_relation_training_data", "reference_standard_for_test_data", "test_data")
SKIPPED = ("unannotated", "sample data")

CONCEPT = r'c="(.*)" ([0-9]+):([0-9]+) ([0-9]+):([0-9]+)'
"""A concept in .con, .ast and .rel files. Its text may hold quotes and bars, so a line is matched to its very end."""
_CON_LINE = re.compile(CONCEPT + r'\|\|t="(problem|treatment|test)"')
_BLANKS = tuple(re.compile(pattern) for pattern in (r"[ \t]+", " ", r"[ \t\n\v\f\r]+", r"\s+"))
"""What parts the tokens that annotations count: the release's own rule, then what other tools have counted by."""


@dataclass(frozen=True, slots=True)
class Document:
    """One note with its annotation files (by suffix, without the dot)."""

    id: str
    part: Part
    text: RawText
    annotations: dict[str, RawText]


@dataclass(frozen=True, slots=True)
class Concept:
    """A marked stretch: lines count from 1, tokens from 0, the end token is included; `row` is its line in the file."""

    row: int
    text: str = field(repr=False)
    start_line: int
    start_token: int
    end_line: int
    end_token: int
    type: ConceptType


@dataclass(frozen=True, slots=True)
class Place:
    """Where (a line's part of) a concept stands: line from 1, code-point offsets in that line, end exclusive."""

    line: int
    start: int
    end: int


class I2b22010(Source):
    """The three archives of the DBMI portal («2010 Relations Challenge»), packed or unpacked."""

    title: ClassVar[str] = "i2b2/VA 2010: notes with problems, treatments, tests, assertions and relations"
    release: ClassVar[str | None] = None
    usual_patients: ClassVar[int] = 100
    folders: ClassVar[tuple[str, ...]] = ("i2b2-2010", "i2b2_2010", "i2b2/2010", "n2c2/2010", "2010")

    def is_here(self, folder: Path) -> bool:
        """One of the two annotated archives or their folders, or a `concept(s)` folder here or one level below."""
        names = {entry.name.lower() for entry in folder.iterdir()}
        if any(name.partition(".")[0] in ARCHIVES[:2] for name in names):
            return True
        patterns = [f"{above}{name}" for above in ("", "*/") for name in ("concept", "concepts")]
        return any(True for pattern in patterns for _ in folder.glob(pattern))

    def synthesize(self, out: Path, *, num_patients: int = 60, seed: int) -> dict[str, float]:
        """Invented documents (one a patient) in which nobody can find entities better than `best_f1` says."""
        from clinpeft.sources._i2b2_2010_synthetic import write_release

        return write_release(out, num_documents=num_patients, seed=seed)


def read_documents(raw: RawFiles, suffixes: tuple[str, ...] = ("con",)) -> list[Document]:
    """All annotated documents with their annotation files of these kinds, by part and name.

    Raises BadInput for an annotation without its text, a training text without its `.con`, texts of the test part
    without any `.con`, and two files of one kind whose names differ by case at most.
    """
    found: dict[tuple[str, str], RawText] = {}
    for file in files_below(raw, (".txt", *(f".{suffix}" for suffix in suffixes)), ARCHIVES, SKIPPED):
        stem, _, suffix = file.path.rpartition("/")[2].rpartition(".")
        key = stem.lower(), suffix.lower()
        if key in found:
            raise BadInput(file.path, f"stands twice, also as {found[key].path}", "keep one of them")
        found[key] = file
    for (stem, suffix), file in found.items():
        if suffix != "txt" and (stem, "txt") not in found:
            raise BadInput(file.path, "has no .txt of the same name", "unpack all three archives of the release")
    annotated = {stem for stem, suffix in found if suffix != "txt"}
    documents = [
        _document(stem, file, found, suffixes)
        for (stem, suffix), file in found.items()
        if suffix == "txt" and (stem in annotated or _is_note(file.path))
    ]
    _refuse_unannotated(documents)
    order = get_args(Part)
    return sorted(documents, key=lambda document: (order.index(document.part), document.id))


def lines_of(text: str) -> list[str]:
    """The lines as annotations count them: only LF ends one, a CR before it is no part of it."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def token_bounds(line: str, blank: re.Pattern[str] = _BLANKS[0]) -> list[tuple[int, int]]:
    """Offsets of the tokens as annotations count them: a line that starts with a blank has an empty token 0.

    >>> token_bounds("  no fever")
    [(0, 0), (2, 4), (5, 10)]
    """
    gaps = [gap.span() for gap in blank.finditer(line)]
    return list(zip([0, *(end for _, end in gaps)], [*(start for start, _ in gaps), len(line)], strict=True))


def parse_concepts(file: RawText, num_lines: int) -> list[Concept]:
    """The lines of a `.con` file, empty ones skipped; `num_lines` is how many lines its text has.

    Raises BadInput with file and lines for broken grammar, lines beyond the text, and ends before their start.
    """
    concepts: list[Concept] = []
    broken: dict[str, list[int]] = {}
    for row, line in enumerate(lines_of(text_of(file)[0]), start=1):
        if line.strip():
            concept = _concept(row, line.rstrip(), num_lines)
            if isinstance(concept, Concept):
                concepts.append(concept)
            else:
                broken.setdefault(concept, []).append(row)
    for rule, rows in broken.items():
        raise BadInput(f"{file.path}, {listed('line', rows)}", rule, "do text and .con belong together?")
    return concepts


def places_of(concept: Concept, lines: list[str]) -> tuple[list[Place], bool]:
    """Where the concept stands, line by line, and whether its tokens were counted by another tool's rule.

    Nowhere (an empty list) when the text at its tokens is not the concept's text under any rule; case and blanks
    do not count.
    """
    wanted = concept.text.lower().split()
    for blank in _BLANKS:
        places = _places(concept, lines, blank)
        words = [word for place in places for word in lines[place.line - 1][place.start : place.end].lower().split()]
        if words and words == wanted:
            return places, blank is not _BLANKS[0]
    return [], False


def _concept(row: int, line: str, num_lines: int) -> Concept | str:
    """The concept, or the rule that the line breaks."""
    match = _CON_LINE.fullmatch(line)
    if match is None:
        return 'is not c="…" L:T L:T||t="problem|treatment|test"'
    start_line, start_token, end_line, end_token = (int(number[:9]) for number in match.group(2, 3, 4, 5))
    if not 1 <= start_line <= num_lines or not 1 <= end_line <= num_lines:
        return f"names a line outside the {num_lines} of its text"
    if (end_line, end_token) < (start_line, start_token):
        return "ends before it starts"
    kind = next(kind for kind in CONCEPT_TYPES if kind == match[6])
    return Concept(row, match[1], start_line, start_token, end_line, end_token, kind)


def _document(stem: str, text: RawText, found: dict[tuple[str, str], RawText], suffixes: tuple[str, ...]) -> Document:
    part = _part_of(text.path)
    annotations = {suffix: found[stem, suffix] for suffix in suffixes if (stem, suffix) in found}
    for file in annotations.values():
        if _part_of(file.path) != part:
            raise BadInput(file.path, "lies in another part of the release than its text", "unpack the archives again")
    if part != "test" and "con" in suffixes and "con" not in annotations:
        raise BadInput(text.path, "has no .con of the same name", "unpack the training archive again")
    return Document(text.path.rpartition("/")[2].rpartition(".")[0], part, text, annotations)


def _is_note(path: str) -> bool:
    """Whether a text without annotations counts: notes lie in txt/ or test_data/, a README does not."""
    folder = path.lower().rpartition("/")[0].rpartition("/")[2]
    return folder == "txt" or folder.startswith(ARCHIVES[2])


def _part_of(path: str) -> Part:
    folders = [folder.lower() for folder in path.split("/")[:-1]]
    for part in get_args(Part)[:2]:
        if part in folders:
            return part if part == "beth" else "partners"
    if any("training" in folder for folder in folders):
        raise BadInput(
            path, "is a training file that lies below neither beth/ nor partners/", "unpack the archive again"
        )
    return "test"


def _refuse_unannotated(documents: list[Document]) -> None:
    if not documents:
        raise BadInput("i2b2-2010", "no .txt files were found", f"unpack {', '.join(ARCHIVES)} into one folder")
    tests = [document for document in documents if document.part == "test"]
    if tests and not any(document.annotations for document in tests):
        raise BadInput(tests[0].text.path, "and all test texts are without annotation", f"unpack {ARCHIVES[1]}.tar.gz")


def _places(concept: Concept, lines: list[str], blank: re.Pattern[str]) -> list[Place]:
    places = []
    for number in range(concept.start_line, concept.end_line + 1):
        tokens = token_bounds(lines[number - 1], blank)
        first = concept.start_token if number == concept.start_line else 0
        last = concept.end_token if number == concept.end_line else len(tokens) - 1
        if last >= len(tokens):
            return []
        bounds = [(start, end) for start, end in tokens[first : last + 1] if start < end]
        if bounds:
            places.append(Place(number, bounds[0][0], bounds[-1][1]))
    return places
