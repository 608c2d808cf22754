"""CSV and TSV: every row as wide as the header, every cell a string exactly as it stands."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.sources._positions import listed
from clinpeft.sources._strict_text import read_strict_text
from clinpeft.sources.base import RawFiles

FIELD_CHARACTERS = 10_000_000


def read_delimited(raw: RawFiles, path: Path, delimiter: str) -> tuple[list[str], list[int], list[dict[str, str]]]:
    """(columns, row numbers, rows). Rows are numbered as a spreadsheet numbers them: the header is row 1.

    Raises BadInput when a row is wider or narrower than the header, quotes are broken, a field exceeds 10 million
    characters, the header repeats a name or stands in the file twice, or there are no rows.
    """
    text = read_strict_text(raw, path)
    records = list(_records(path, text, delimiter))
    if not records or not any(records[0][1]):
        raise BadInput(f"{path.name}: row 1", "is no header", "the first row must name the columns")
    header, rows = records[0][1], records[1:]
    if other := _other_delimiter(header, delimiter):
        raise BadInput(
            f"{path.name}: row 1", f"delimiter looks like {other!r}", "save it with commas, or as .tsv with tabs"
        )
    _refuse_bad_header(path, header)
    _refuse_uneven(path, len(header), rows)
    if not rows:
        raise BadInput(path.name, "has a header and no rows")
    if repeated := [number for number, cells in rows if cells == header]:
        raise BadInput(
            f"{path.name}: {listed('row', repeated)}", "repeats the header", "was a file appended to itself?"
        )
    return header, [number for number, _ in rows], [dict(zip(header, cells, strict=True)) for _, cells in rows]


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Records that are not blank, numbered from 1. The csv module's limit is process-wide, so it is put back."""
    before = csv.field_size_limit(FIELD_CHARACTERS)
    number = 0
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1):
            if cells:
                yield number, cells
    except csv.Error as error:
        where = f"{path.name}: row {number + 1}"
        if "field limit" in str(error):
            raise BadInput(
                where, f"holds a field of more than {FIELD_CHARACTERS:,} characters", "is a quote left open?"
            ) from None
        rule = "its quotes do not match"
        raise BadInput(
            where, rule, 'a cell that begins with a quote must end with one; write " inside it as ""'
        ) from None
    finally:
        csv.field_size_limit(before)


def _other_delimiter(header: list[str], delimiter: str) -> str | None:
    """The delimiter that cuts a header of one cell into several names."""
    if len(header) > 1:
        return None
    for other in (";", "\t", "|", ","):
        names = header[0].split(other)
        if other != delimiter and len(names) > 1 and all(re.fullmatch(r"\s*[\w .-]{1,60}", name) for name in names):
            return other
    return None


def _refuse_bad_header(path: Path, header: list[str]) -> None:
    names = [name for name in header if name]
    if len(set(names)) < len(names):
        raise BadInput(f"{path.name}: row 1", "names a column twice", "rename one")
    if any(len(name) > 200 for name in names):
        raise BadInput(
            f"{path.name}: row 1", "holds text longer than a column's name", "the first row must be a header"
        )


def _refuse_uneven(path: Path, width: int, rows: list[tuple[int, list[str]]]) -> None:
    wide = [number for number, cells in rows if len(cells) > width]
    narrow = [number for number, cells in rows if len(cells) < width]
    if wide and len(wide) == len(rows) and all(cells[width:] == [""] for _, cells in rows):
        raise BadInput(
            f"{path.name}: {listed('row', wide)}", "ends with an extra delimiter that the header lacks", "remove it"
        )
    if wide:
        rule = (
            f"has more cells than the header's {width}"
            if len(wide) == 1
            else f"have more cells than the header's {width}"
        )
        raise BadInput(f"{path.name}: {listed('row', wide)}", rule, "quote cells that hold the delimiter")
    if narrow:
        rule = (
            f"has fewer cells than the header's {width}"
            if len(narrow) == 1
            else f"have fewer cells than the header's {width}"
        )
        raise BadInput(f"{path.name}: {listed('row', narrow)}", rule, "write empty cells out")
