"""Tables of a database release: CSV files, plain or gzipped, read as a stream and refused at the first broken place."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from clinpeft.errors import BadInput, did_you_mean
from clinpeft.files import sha256_file
from clinpeft.sources._damage import decoded, refusing_damage
from clinpeft.sources._positions import listed
from clinpeft.sources.base import RawFiles

CHUNK_BYTES = 1 << 20
LONGEST_FIELD = 16 << 20
"""Characters; the longest note of MIMIC-III has some 60,000, and a missing quote must not swallow the memory."""
SUMS_FILE = "SHA256SUMS.txt"


class Table:
    """One table of a release as a stream of rows: `(line on which the row starts, the wanted cells)`.

    Column names are matched whatever their case. An empty cell is NULL. Reading refuses (BadInput with file, line and
    rule, never a cell): a missing, repeated or unknown column, a row of another width, broken quoting, a damaged
    gzip file, the header standing again among the rows (two files appended), NUL and bytes that are no UTF-8.
    """

    def __init__(self, raw: RawFiles, path: Path, columns: tuple[str, ...], known: tuple[str, ...]) -> None:
        self.name = str(path.relative_to(raw.root))
        self._raw, self._path, self._columns, self._known = raw, path, columns, known

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
        with self._raw.open_binary(self._path) as stream, refusing_damage(self.name):
            reader = csv.reader(_lines(stream, self.name), strict=True)
            line, misfits = 1, list[int]()
            try:
                header = next(reader, [])
                places = self._places(header)
                line = reader.line_num + 1
                for row in reader:
                    if row[:1] == header[:1] and row == header:
                        rule = "repeats the header: two files were appended to each other"
                        raise BadInput(self.where(line), rule, "download the file again")
                    if len(row) == len(header):
                        yield line, [row[place] for place in places]
                    elif row:
                        misfits.append(line)
                    line = reader.line_num + 1
            except csv.Error as error:
                raise BadInput(self.where(line), f"is no valid CSV ({error})", "download the file again") from None
        if misfits:
            rule = f"do not have the {len(header)} fields of the header"
            raise BadInput(f"{self.name}, {listed('line', misfits)}", rule, "download the file again")

    def where(self, line: int) -> str:
        """How errors name a line of this table."""
        return f"{self.name}, line {line:,}"

    def number(self, cell: str, column: str, line: int) -> int | None:
        """A cell as a whole number; None when it is NULL. `172335.0`, as pandas writes ids, is 172335."""
        if cell.isascii() and cell.isdecimal() and len(cell) < 19:
            return int(cell)
        if not cell:
            return None
        if re.fullmatch(r"-?[0-9]{1,18}(\.0*)?", cell):
            return int(cell.partition(".")[0])
        raise BadInput(f"{self.where(line)}, column {column}", "is no whole number", "download the file again")

    def needed(self, cell: str, column: str, line: int) -> int:
        """The same for a column that must not be NULL."""
        number = self.number(cell, column, line)
        if number is None:
            raise BadInput(f"{self.where(line)}, column {column}", "is empty", "download the file again")
        return number

    def _places(self, header: list[str]) -> list[int]:
        where = self.where(1)
        if not header:
            raise BadInput(self.name, "is empty: not even a header", "download the file again")
        names = [name.upper() for name in header]
        if unknown := [name for name in names if name not in self._known]:
            near = did_you_mean(unknown[0], list(self._known))
            remedy = near or f"the release has {', '.join(self._known)}"
            raise BadInput(where, f"holds columns that the release does not have: {', '.join(unknown)}", remedy)
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise BadInput(where, f"names columns twice: {', '.join(repeated)}", "download the file again")
        if missing := [column for column in self._columns if column not in names]:
            raise BadInput(where, f"lacks columns: {', '.join(missing)}", "give the file as released")
        return [names.index(column) for column in self._columns]


def find_table(raw: RawFiles, table: str) -> Path | None:
    """The file of `table` (`.csv.gz`, else `.csv`) in the raw folder, whatever its case; None if there is none.

    Raises BadInput when two names differ by case only.
    """
    for suffix in (".csv.gz", ".csv"):
        wanted = f"{table}{suffix}".lower()
        found = sorted(path for path in raw.root.iterdir() if path.name.lower() == wanted and path.is_file())
        if len(found) > 1:
            raise BadInput(str(raw.root), f"holds {' and '.join(path.name for path in found)}", "keep one of them")
        if found:
            return found[0]
    return None


def check_sum(raw: RawFiles, path: Path) -> None:
    """Raises BadInput if the release's SHA256SUMS.txt lies beside `path` and gives it another checksum."""
    sums = path.parent / SUMS_FILE
    if not sums.is_file():
        return
    lines = [line.split(maxsplit=1) for line in sums.read_text(encoding="utf-8", errors="replace").splitlines()]
    listed = {line[1].lstrip("*./").strip(): line[0].lower() for line in lines if len(line) == 2}
    if path.name in listed and listed[path.name] != sha256_file(path):
        remedy = "download it again, or accept it with --set allow_modified=true"
        raise BadInput(str(path.relative_to(raw.root)), f"differs from its checksum in {SUMS_FILE}", remedy)


def _lines(stream: io.BufferedIOBase, name: str) -> Iterator[str]:
    """The lines with their ends. Only LF ends one, so that a CR inside a quoted note survives."""
    offset, rest = 0, b""
    while chunk := stream.read(CHUNK_BYTES):
        data = rest + chunk
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > LONGEST_FIELD:
            raise BadInput(f"{name}, byte {offset + cut:,}", f"starts a line of over {LONGEST_FIELD:,} bytes")
        yield from _decoded_lines(data[:cut], name, offset)
        offset, rest = offset + cut, data[cut:]
    yield from _decoded_lines(rest, name, offset)


def _decoded_lines(data: bytes, name: str, offset: int) -> Iterator[str]:
    text = decoded(data, name, offset=offset)
    return io.StringIO(text.removeprefix("\ufeff") if offset == 0 else text, newline="\n")
