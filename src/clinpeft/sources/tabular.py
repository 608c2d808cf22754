"""Tables of one's own: CSV, TSV, JSON Lines and Parquet, one row an example.

Ids, classes and texts stay strings: `NA`, `None` and `0012345` are kept as they stand. A whole number in Parquet or
JSON becomes its decimal digits, `true` and `false` become words; a decimal number is no id and no class.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput
from clinpeft.sources._delimited import read_delimited
from clinpeft.sources._json_lines import read_json_lines
from clinpeft.sources._parquet_table import read_parquet_table
from clinpeft.sources._positions import listed
from clinpeft.sources.base import RawFiles, Source

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


class Tabular(Source):
    """The formats, for tasks by files; a release in one of them has a source of its own."""

    title = "CSV, TSV, JSON Lines and Parquet tables"

    def is_here(self, folder: Path) -> bool:
        """Whether a table lies in the folder."""
        return any(table_suffix(path) for path in folder.iterdir())


@dataclass(frozen=True)
class Table:
    """A table in memory; cells of CSV and TSV are strings, those of JSON Lines and Parquet as they were stored."""

    name: str
    """The file's, for errors."""
    noun: str
    """What a row is called in errors: `row`, or `line` of JSON Lines."""
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    rows: list[dict[str, Any]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def require(self, column: str, key: str) -> None:
        """Raises BadInput when there is no such column; `key` is the study's key that asked for it."""
        if column in self.columns:
            return
        alike = [name for name in self.columns if _folded(name) == _folded(column)]
        remedy = f"did you mean '{alike[0]}' (case and blanks count)?" if alike else "check the header's spelling"
        raise BadInput(f"{self.name}: column '{column}' ({key})", "is not in the table", remedy)

    def refuse(self, column: str, numbers: Sequence[int], rule: str, remedy: str = "") -> None:
        """Raises BadInput that lists `numbers`, if there are any."""
        if numbers:
            raise BadInput(f"{self.name}: column '{column}': {listed(self.noun, numbers)}", rule, remedy)

    def texts(self, column: str, key: str) -> list[str]:
        """Cells that must hold text. Raises BadInput where one is missing, blank or no text."""
        cells = self._cells(column, key)
        self.refuse(column, self._where(cells, lambda cell: not isinstance(cell, str | None)), "is no text")
        blank = self._where(cells, lambda cell: cell is None or not cell.strip())
        self.refuse(column, blank, "has no text", "fill it, or leave the row out")
        self.refuse(column, self._where(cells, lambda cell: "\0" in cell), "holds a NUL character", "remove it")
        long = self._where(cells, lambda cell: len(cell) > 10_000_000)
        self.refuse(column, long, "holds more than 10,000,000 characters")
        return cells

    def ids(self, column: str, key: str) -> list[str]:
        """Cells that name something. Raises BadInput where one is blank, a decimal number, or of another type."""
        cells = self.words(column, key)
        self.refuse(column, self._where(cells, lambda cell: cell is None), "is blank", "every row needs one")
        return [cell for cell in cells if cell is not None]

    def words(self, column: str, key: str) -> list[str | None]:
        """Ids or classes, None where blank: strings as they stand, whole numbers as digits, truth values as words."""
        cells = self._cells(column, key)
        self._refuse_mixed(column, cells)
        other = self._where(cells, lambda cell: not isinstance(cell, str | int | None))
        self.refuse(column, other, "is no text and no whole number", "store it as text")
        words = [_word(cell) for cell in cells]
        self.refuse(column, self._where(words, lambda word: "\0" in (word or "")), "holds a NUL character", "remove it")
        return words

    def dates(self, column: str, key: str) -> list[date]:
        """Cells that hold a day: a date column of Parquet, or text `2024-05-31`, also with a time behind it; of a year,
        or years (`2008 - 2010`, as MIMIC-IV's anchor_year_group has them), the first day."""
        cells = self._cells(column, key)
        days = [_day(cell) for cell in cells]
        self.refuse(column, self._where(days, lambda day: day is None), "is no date", "write 2024-05-31")
        return [day for day in days if day is not None]

    def lists(self, column: str, key: str) -> list[list[Any]]:
        """Cells that hold a list, of JSON Lines or Parquet."""
        cells = self._cells(column, key)
        self.refuse(column, self._where(cells, lambda cell: not isinstance(cell, list)), "is no list")
        return cells

    def _cells(self, column: str, key: str) -> list[Any]:
        self.require(column, key)
        return [row.get(column) for row in self.rows]

    def _where(self, cells: Sequence[Any], is_bad: Callable[[Any], bool]) -> list[int]:
        return [number for number, cell in zip(self.numbers, cells, strict=True) if is_bad(cell)]

    def _refuse_mixed(self, column: str, cells: Sequence[Any]) -> None:
        kinds = Counter(type(cell).__name__ for cell in cells if cell is not None)
        if len(kinds) > 1:
            rare = kinds.most_common()[-1][0]
            numbers = self._where(cells, lambda cell: type(cell).__name__ == rare)
            self.refuse(column, numbers, "has another type than the other rows (text beside numbers)", "use one type")


def read_table(raw: RawFiles, path: Path) -> Table:
    """The table in `path`, by its suffix; `.gz` is allowed for text formats.

    Raises BadInput for a suffix that is none of a table, and all that the formats refuse.
    """
    suffix = table_suffix(path)
    if suffix is None:
        raise BadInput(path.name, "is no table that clinpeft reads", f"use one of {', '.join(SUFFIXES)}")
    noun = "row"
    if suffix == ".parquet":
        columns, numbers, rows = read_parquet_table(raw, path)
    elif suffix in {".jsonl", ".ndjson"}:
        columns, numbers, rows = read_json_lines(raw, path)
        noun = "line"
    else:
        columns, numbers, rows = read_delimited(raw, path, "\t" if suffix == ".tsv" else ",")
    if not rows:
        raise BadInput(path.name, "has no rows")
    return Table(path.name, noun, tuple(columns), tuple(numbers), rows)


def table_suffix(path: Path) -> str | None:
    """`.csv`, `.tsv`, … of a table's name, without `.gz`; None for another file."""
    name = path.name.casefold().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def _folded(name: str) -> str:
    """A column's name without case, blanks of any kind and byte-order mark."""
    return re.sub(r"[\s\ufeff\u200b]+", "", name).casefold()


def _word(cell: Any) -> str | None:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


YEARS = re.compile(r"([12]\d{3})(?:\s*-\s*[12]\d{3})?")


def _day(cell: Any) -> date | None:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, str):
        if years := YEARS.fullmatch(cell.strip()):
            return date(int(years[1]), 1, 1)
        try:
            return datetime.fromisoformat(cell.strip()).date()
        except ValueError:
            return None
    return None
