"""i2b2/VA 2010: discharge summaries and progress notes with problems, treatments and tests marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, files_below
from clinpeft.sources.base import RawFiles, Source

Part = Literal["beth", "partners", "test"]
ARCHIVES = ("concept_assertion_relation_training_data", "reference_standard_for_test_data", "test_data")
SKIPPED = ("unannotated", "sample data")


@dataclass(frozen=True, slots=True)
class Document:
    """One note with its annotation files (by suffix, without the dot)."""

    id: str
    part: Part
    text: RawText
    annotations: dict[str, RawText]


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
        """Invented documents (one a patient) with the scores that nobody can be expected to exceed: `best_f1` of the
        concepts, `best_assertion_accuracy`, and `best_relation_f1` where the types are not shown."""
        from clinpeft.sources._i2b2_2010_synthetic import write_release

        return write_release(out, num_documents=num_patients, seed=seed)


def read_documents(raw: RawFiles, suffixes: tuple[str, ...] = ("con",)) -> list[Document]:
    """All annotated documents with their annotation files of these kinds, by part and name.

    Raises BadInput for an annotation without its text, a training text without its `.con`, a side (training or test)
    without any file of a kind, and two files of one kind whose names differ by case at most.
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
    _refuse_unannotated(documents, suffixes)
    order = get_args(Part)
    return sorted(documents, key=lambda document: (order.index(document.part), document.id))


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


def _refuse_unannotated(documents: list[Document], suffixes: tuple[str, ...]) -> None:
    if not documents:
        raise BadInput("i2b2-2010", "no .txt files were found", f"unpack {', '.join(ARCHIVES)} into one folder")
    for is_test, side, archive in ((False, "training", ARCHIVES[0]), (True, "test", ARCHIVES[1])):
        texts = [document for document in documents if (document.part == "test") is is_test]
        for suffix in suffixes:
            if texts and not any(suffix in document.annotations for document in texts):
                rule = f"and all {side} texts are without .{suffix}"
                raise BadInput(texts[0].text.path, rule, f"unpack {archive}.tar.gz")
