"""MTSamples: sample transcriptions of many specialties, from the open copy on Kaggle or a merged form of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from clinpeft.errors import BadInput
from clinpeft.sources._strict_text import strict_lines
from clinpeft.sources._tables import Table
from clinpeft.sources.base import RawFiles, Source

MERGED = "mtsamples.jsonl.gz"
"""One JSON object a line: `note_ids`, `text`, `specialties`, one line for each distinct transcription."""
TABLE = "mtsamples.csv"
"""The table on Kaggle: one row for each listing of a transcription under a specialty."""
HEADER_ONLY = 25
"""Transcriptions shorter than this many characters hold a section header and nothing below it."""
_COLUMNS = ("MEDICAL_SPECIALTY", "TRANSCRIPTION")
_KNOWN = (*_COLUMNS, "", "NOTE_ID", "DESCRIPTION", "SAMPLE_NAME", "KEYWORDS")
"""Kaggle's first column, the row number, has no name."""


@dataclass(frozen=True, slots=True)
class Note:
    """One distinct transcription and every specialty it is listed under, sorted."""

    numbers: tuple[int, ...]
    """Rows of the table, from 1, that hold it."""
    specialties: tuple[str, ...]
    text: str = field(repr=False)


class MtSamples(Source):
    """`mtsamples.jsonl.gz`, or `mtsamples.csv` as Kaggle has it; both give the same notes."""

    title: ClassVar[str] = "MTSamples: sample medical transcriptions with the specialties they are listed under"
    release: ClassVar[str | None] = "Kaggle tboyle10/medicaltranscriptions, as in clinspacy 2efc73a (2021-08-21)"
    folders: ClassVar[tuple[str, ...]] = ("mtsamples", "medicaltranscriptions")

    def is_here(self, folder: Path) -> bool:
        """Whether one of the two files is there."""
        return (folder / MERGED).is_file() or (folder / TABLE).is_file()


def read_notes(raw: RawFiles) -> list[Note]:
    """The distinct transcriptions in the order of their first row, those of a header only left out.

    Raises BadInput with the line for a row without specialty, or a line that is no such JSON object.
    """
    path = raw.root / MERGED
    return list(_from_merged(raw, path) if path.is_file() else _from_table(raw, raw.root / TABLE))


def _from_merged(raw: RawFiles, path: Path) -> Iterator[Note]:
    for number, line in strict_lines(raw, path):
        if not line:
            continue
        try:
            row = json.loads(line)
            note = Note(tuple(row["note_ids"]), tuple(sorted(row["specialties"])), row["text"].strip())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            rule = "is no object with note_ids, specialties and text"
            raise BadInput(f"{path.name}: line {number}", rule, "download the file again") from None
        if not (note.numbers and note.specialties and all(isinstance(name, str) and name for name in note.specialties)):
            raise BadInput(f"{path.name}: line {number}", "names no row or no specialty", "download the file again")
        if len(note.text) >= HEADER_ONLY:
            yield note


def _from_table(raw: RawFiles, path: Path) -> Iterator[Note]:
    numbers: dict[str, list[int]] = {}
    specialties: dict[str, set[str]] = {}
    table = Table(raw, path, _COLUMNS, _KNOWN)
    for number, (line, (specialty, text)) in enumerate(table, start=1):
        specialty, text = specialty.strip(), text.strip()
        if not specialty:
            raise BadInput(f"{table.where(line)}, column medical_specialty", "is empty", "download the file again")
        # `NA` is what R writes for a missing transcription; it falls below the limit like the empty cells.
        if len(text) >= HEADER_ONLY:
            numbers.setdefault(text, []).append(number)
            specialties.setdefault(text, set()).add(specialty)
    for text, found in numbers.items():
        yield Note(tuple(found), tuple(sorted(specialties[text])), text)
