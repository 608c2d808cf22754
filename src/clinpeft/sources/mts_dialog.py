"""MTS-Dialog: short simulated conversations between a doctor and a patient, each with the note section it led to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from clinpeft.errors import BadInput
from clinpeft.sources._tables import Table
from clinpeft.sources.base import RawFiles, Source

Split = Literal["train", "validation", "test"]
FILES: dict[Split, str] = {
    "train": "MTS-Dialog-TrainingSet.csv",
    "validation": "MTS-Dialog-ValidationSet.csv",
    "test": "MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv",
}
"""The second test set (MEDIQA-Sum 2023) of the release is not read."""
_COLUMNS = ("ID", "SECTION_HEADER", "DIALOGUE")
_KNOWN = (*_COLUMNS, "SECTION_TEXT")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One row: a conversation and the header of its section."""

    line: int
    """On which the row ends."""
    id: str
    section_header: str
    text: str = field(repr=False)


class MtsDialog(Source):
    """The main data set of the MTS-Dialog repository: three CSV files."""

    title: ClassVar[str] = "MTS-Dialog: simulated doctor-patient conversations with their note sections"
    release: ClassVar[str | None] = "3ff0801 (2025-05-30)"
    folders: ClassVar[tuple[str, ...]] = ("mts_dialog", "Main-Dataset")

    def is_here(self, folder: Path) -> bool:
        """Whether all three files are there."""
        return all((folder / name).is_file() for name in FILES.values())


def read_dialogues(raw: RawFiles, split: Split) -> Iterator[Dialogue]:
    """The rows of one split in file order, line ends as LF.

    Raises BadInput for a repeated ID, an empty header or an empty conversation.
    """
    table = Table(raw, raw.root / FILES[split], _COLUMNS, _KNOWN)
    seen: set[str] = set()
    for line, (id_, header, text) in table:
        for column, cell in (("ID", id_), ("section_header", header), ("dialogue", text)):
            if not cell.strip():
                raise BadInput(f"{table.where(line)}, column {column}", "is empty", "download the file again")
        if id_ in seen:
            raise BadInput(f"{table.where(line)}, column ID", "repeats an ID", "download the file again")
        seen.add(id_)
        yield Dialogue(line, id_, header, text.replace("\r\n", "\n").strip())
