"""Tables of a database release: CSV files, plain or gzipped, read as a stream and refused at the first broken place."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from clinpeft.errors import BadInput, did_you_mean
from clinpeft.sources._damage import decoded, refusing_damage
from clinpeft.sources._positions import listed
from clinpeft.sources.base import RawFiles

if TYPE_CHECKING:
    from clinpeft.sources._row_blocks import RowBlock

CHUNK_BYTES = 1 << 20
LONGEST_FIELD = 16 << 20
"""Characters; the longest note of MIMIC-III has some 60,000, and a missing quote must not swallow the memory."""
BLOCK_BYTES = 2 << 20
ROWS_AT_ONCE = 1_000
_PLAIN_HEADER = re.compile(rb'(?:\xef\xbb\xbf)?((?:"\w+"|\w+)(?:,(?:"\w+"|\w+))+)\n')


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
        with self._opened() as stream:
            yield from self._rows(_lines(iter(lambda: stream.read(CHUNK_BYTES), b""), self.name))

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[RowBlock]:
        """The same rows, thousands at a time and not decoded: for a large table of which few rows are wanted.

        Refuses what reading row by row refuses. From the first unusual place on, rows are read one by one.
        """
        from clinpeft.sources._row_blocks import PlainRows, RowBlock, Unread, read_ahead

        with self._opened() as stream, contextlib.closing(read_ahead(stream, block_bytes)) as pieces:
            left, header = Unread(bytes(next(pieces, b""))), list[str]()
            if plain := _PLAIN_HEADER.match(left.data):
                header = plain[1].decode().replace('"', "").split(",")
                columns = dict(zip(self._columns, self._places(header), strict=True))
                left = Unread(left.data[plain.end() :], plain.end(), 2)
                plain_rows = PlainRows(left, pieces, header, columns, LONGEST_FIELD)
                yield from plain_rows
                left = plain_rows.left
            rows = self._rows(_lines(chain((left.data,), pieces), self.name, left.offset), left.line, header)
            while some := list(islice(rows, ROWS_AT_ONCE)):
                yield RowBlock.of_rows(some, self._columns)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[io.BufferedIOBase]:
        with self._raw.open_binary(self._path) as stream, refusing_damage(self.name):
            yield stream

    def _rows(
        self, lines: Iterable[str], line: int = 1, header: list[str] | None = None
    ) -> Iterator[tuple[int, list[str]]]:
        """The rows in `lines`, of which the first is `line` of the file; without a `header`, that is the first row."""
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
        reader = csv.reader(lines, strict=True)
        num_before, misfits = line - 1, list[int]()
        try:
            header = header or next(reader, [])
            places = self._places(header)
            line = num_before + reader.line_num + 1
            for row in reader:
                if row[:1] == header[:1] and row == header:
                    rule = "repeats the header: two files were appended to each other"
                    raise BadInput(self.where(line), rule, "download the file again")
                if len(row) == len(header):
                    yield line, [row[place] for place in places]
                elif row:
                    misfits.append(line)
                line = num_before + reader.line_num + 1
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
            if len(names) == 1 and (other := next((sign for sign in ";\t|" if sign in names[0]), None)):
                raise BadInput(where, f"delimiter looks like {other!r}", "give the file as released, with commas")
            if 2 * len(unknown) > len(names):  # a row of data perhaps, so nothing of it is quoted
                raise BadInput(where, "is not the header of this table", f"the release has {', '.join(self._known)}")
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


def _lines(pieces: Iterable[bytes | memoryview], name: str, offset: int = 0) -> Iterator[str]:
    """The lines with their ends. Only LF ends one, so that a CR inside a quoted note survives.

    offset: the byte of the file with which the first piece starts.
    """
    rest = b""
    for piece in pieces:
        data = rest + piece
        cut = data.rfind(b"\n") + 1
        if len(data) - cut > LONGEST_FIELD:
            raise BadInput(f"{name}, byte {offset + cut:,}", f"starts a line of over {LONGEST_FIELD:,} bytes")
        yield from _decoded_lines(data[:cut], name, offset)
        offset, rest = offset + cut, data[cut:]
    yield from _decoded_lines(rest, name, offset)


def _decoded_lines(data: bytes, name: str, offset: int) -> Iterator[str]:
    text = decoded(data, name, offset=offset)
    return io.StringIO(text.removeprefix("\ufeff") if offset == 0 else text, newline="\n")
