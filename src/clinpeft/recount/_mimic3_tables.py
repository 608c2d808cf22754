"""Tables and discharge summaries of MIMIC-III, read a second time with the csv module."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Row = dict[str, str]
LONGEST_FIELD = 16 << 20
"""Characters; the limit holds for the whole process, so it is set no higher than notes need."""


@dataclass(frozen=True)
class Note:
    """One discharge summary or addendum."""

    written: tuple[str, int]
    """Day (undated ones last) and ROW_ID."""
    subject: int
    hadm: int
    is_report: bool
    text: str = field(repr=False)


def rows_of(root: Path, table: str) -> Iterator[Row]:
    """The rows of a table by upper-case column names."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    wanted = (f"{table}.csv.gz".lower(), f"{table}.csv".lower())
    path = min((path for path in root.iterdir() if path.name.lower() in wanted), key=lambda path: -len(path.name))
    with path.open("rb") as raw:
        is_packed = raw.peek(2)[:2] == b"\x1f\x8b"
        stream = gzip.GzipFile(fileobj=raw) if is_packed else raw
        lines = csv.reader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n"))
        header = [name.upper() for name in next(lines)]
        for cells in lines:
            if cells:
                yield dict(zip(header, cells, strict=True))


def whole(cell: str) -> int | None:
    """A number that pandas may have written with a decimal point."""
    return int(float(cell)) if cell else None


def known(cell: str) -> int:
    """The same where the cell is never empty."""
    return int(float(cell))


def summaries(root: Path, hadms: Iterable[int], *, without_errors: bool = False) -> list[Note]:
    """The discharge summaries of some admissions in file order, also those that are marked as errors unless told."""
    wanted = set(hadms)
    found = []
    for row in rows_of(root, "NOTEEVENTS"):
        hadm = whole(row["HADM_ID"])
        if without_errors and row["ISERROR"] == "1":
            continue
        if hadm in wanted and hadm is not None and row["TEXT"] and row["CATEGORY"] == "Discharge summary":
            written = row["CHARTDATE"][:10] or "9999-99-99", known(row["ROW_ID"])
            text = row["TEXT"].replace("\r\n", "\n")
            found.append(Note(written, known(row["SUBJECT_ID"]), hadm, row["DESCRIPTION"] == "Report", text))
    return found


def newest_of_each(notes: list[Note]) -> list[Note]:
    """In order of writing, of equal texts the last."""
    ordered = sorted(notes, key=lambda note: note.written)
    last = {note.text: number for number, note in enumerate(ordered)}
    return [note for number, note in enumerate(ordered) if last[note.text] == number]


def codes_of(root: Path, table: str) -> Iterator[tuple[int, int | None, str]]:
    """HADM_ID, SEQ_NUM and code of the rows that have a code."""
    for row in rows_of(root, table):
        code = row["ICD9_CODE"].strip().upper().replace(".", "")
        if code:
            yield known(row["HADM_ID"]), whole(row["SEQ_NUM"]), code


def titles_of(root: Path, table: str) -> dict[str, str]:
    """Long title by code; the first of several."""
    titles: dict[str, str] = {}
    for row in rows_of(root, table):
        titles.setdefault(row["ICD9_CODE"].strip().upper().replace(".", ""), row["LONG_TITLE"])
    return titles
