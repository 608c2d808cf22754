"""TaskDataset: a built task on disk, `{train,validation,test}.parquet` and `card.json`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clinpeft.data.card import SPLITS, Card
from clinpeft.data.parquet import read_examples, read_subjects
from clinpeft.errors import BadInput, GateRefused
from clinpeft.files import sha256_file
from clinpeft.frozen import parse_json
from clinpeft.tasks.base import Example

CARD_FILE = "card.json"


@dataclass(frozen=True)
class TaskDataset:
    """A dataset's folder and its card; examples are read when asked for."""

    folder: Path
    card: Card

    @classmethod
    def open(cls, folder: Path) -> TaskDataset:
        """The dataset in `folder`. Reads the card only; `verify` compares the files with it.

        Raises BadInput when there is no card or it breaks its schema.
        """
        path = folder / CARD_FILE
        try:
            text = path.read_bytes()
        except OSError:
            raise BadInput(
                str(folder), f"holds no dataset (no {CARD_FILE})", "build it with `clinpeft build`"
            ) from None
        return cls(folder, parse_json(Card, text, str(path)))

    def examples(self, split: Literal["train", "validation", "test"]) -> list[Example]:
        """The examples of one split in stored order; ids are keyed hashes. Empty only for validation beside folds."""
        return read_examples(self.folder / f"{split}.parquet", split)

    def verify(self) -> None:
        """Compare every file with the card's SHA-256, and the splits with each other.

        Raises GateRefused naming the file that differs, or the number of subjects that stand in two splits.
        """
        for name, expected in self.card.files.items():
            path = self.folder / name
            if not path.is_file():
                raise GateRefused(f"{path}: is missing; build the dataset again")
            if sha256_file(path) != expected:
                raise GateRefused(f"{path}: has changed since it was built; build the dataset again")
        shared, told = self.num_shared_subjects(), self.card.split.shared_subjects
        if shared and self.card.split.by is not None:
            raise GateRefused(f"{self.folder}: {shared} subjects stand in more than one split; build the dataset again")
        if shared != told:
            rule = f"{shared} subjects stand in more than one split, and the card says {told}"
            raise GateRefused(f"{self.folder}: {rule}; build the dataset again")

    def num_shared_subjects(self) -> int:
        """How many subjects stand in more than one split, counted from the files."""
        return num_shared(read_subjects(self.folder / f"{split}.parquet") for split in SPLITS)


def num_shared(subjects_by_split: Iterable[Iterable[str]]) -> int:
    """How many subjects stand in more than one of the splits."""
    seen: set[str] = set()
    shared: set[str] = set()
    for subjects in map(set, subjects_by_split):
        shared |= seen & subjects
        seen |= subjects
    return len(shared)


def find_dataset(name: str, folders: Iterable[Path]) -> Path | None:
    """The first folder of a dataset called `name` at or directly below `folders`, or None."""
    for folder in folders:
        for candidate in (folder / name, folder):
            if candidate.name == name and (candidate / CARD_FILE).is_file():
                return candidate
    return None
