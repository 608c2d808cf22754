"""n2c2 2018, track 2: discharge summaries with medications, their attributes and adverse events in brat standoff."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, files_below
from clinpeft.sources.base import RawFiles, Source

Part = Literal["train", "test"]
TRAINING = ("training_20180910", "track2-training_data_2", "track2-training_data_3")
"""The first holds what the other two hold together."""
TEST = "gold-standard-test-data"
ARCHIVES = (*TRAINING, TEST)


@dataclass(frozen=True, slots=True)
class Document:
    """One note with its annotation file, None where there is none."""

    id: str
    part: Part
    text: RawText
    annotations: RawText | None


class N2c22018(Source):
    """The zip archives of the DBMI portal («2018 ADE and Medication Extraction»), packed or unpacked."""

    title: ClassVar[str] = "n2c2 2018 track 2: notes with drugs, their attributes, reasons and adverse events"
    release: ClassVar[str | None] = None
    usual_patients: ClassVar[int] = 100
    folders: ClassVar[tuple[str, ...]] = ("n2c2-2018", "n2c2_2018", "n2c2/2018", "2018", "n2c2-2018-track2")

    def is_here(self, folder: Path) -> bool:
        """One of the archives or their folders."""
        return any(entry.name.lower().removesuffix(".zip") in ARCHIVES for entry in folder.iterdir())

    def synthesize(self, out: Path, *, num_patients: int = 60, seed: int) -> dict[str, float]:
        """Invented documents (one a patient) in their two zip archives, with the scores that nobody can be expected to
        exceed: `best_f1` of the entities, and `best_relation_f1` where the types are not shown."""
        from clinpeft.sources._n2c2_2018_synthetic import write_release

        return write_release(out, num_documents=num_patients, seed=seed)


def read_documents(raw: RawFiles) -> list[Document]:
    """All notes, training ones first, by name. A text without annotations is one only if its side of the release has
    others that have some.

    Raises BadInput for an `.ann` without its `.txt`, an annotated file outside the training and test folders, a side
    without any `.ann`, and two files of one kind whose names differ by case at most.
    """
    found: dict[tuple[str, str], RawText] = {}
    for file in files_below(raw, (".txt", ".ann"), ARCHIVES, ()):
        stem, _, suffix = file.path.rpartition("/")[2].rpartition(".")
        key = stem.lower(), suffix.lower()
        if key in found:
            raise BadInput(file.path, f"stands twice, also as {found[key].path}", "keep one of them")
        if _part_of(file.path) is not None:
            found[key] = file
        elif suffix.lower() == "ann":
            raise BadInput(
                file.path, "lies outside the folders of training and test", f"unpack {TRAINING[0]} and {TEST}"
            )
    for (stem, suffix), file in found.items():
        if suffix == "ann" and (stem, "txt") not in found:
            raise BadInput(file.path, "has no .txt of the same name", "unpack the archive again")
    documents = [_document(file, found.get((stem, "ann"))) for (stem, suffix), file in found.items() if suffix == "txt"]
    _refuse_unannotated(documents)
    return sorted(documents, key=lambda document: (document.part == "test", document.id))


def _document(text: RawText, annotations: RawText | None) -> Document:
    part = _part_of(text.path)
    assert part is not None  # others were passed over
    if annotations is not None and _part_of(annotations.path) != part:
        raise BadInput(
            annotations.path, "lies in another part of the release than its text", "unpack the archives again"
        )
    return Document(text.path.rpartition("/")[2].rpartition(".")[0], part, text, annotations)


def _part_of(path: str) -> Part | None:
    """By the folders and archives that lead to a file; a README beside them belongs to neither part."""
    for folder in path.lower().split("/")[:-1]:
        if "train" in folder:
            return "train"
        if "test" in folder:
            return "test"
    return None


def _refuse_unannotated(documents: list[Document]) -> None:
    if not documents:
        raise BadInput("n2c2-2018", "no notes were found", f"put {TRAINING[0]}.zip and {TEST}.zip into one folder")
    for part in ("train", "test"):
        notes = [document for document in documents if document.part == part]
        if notes and not any(document.annotations for document in notes):
            rule = f"and all {part} notes are without annotation"
            raise BadInput(notes[0].text.path, rule, f"take {TRAINING[0]}.zip and {TEST}.zip")
