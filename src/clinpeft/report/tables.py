"""Tables as CSV (full precision, an interval in three columns) and LaTeX (as they read, report/latex.py)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clinpeft.files import write_atomic
from clinpeft.report.latex import latex_table
from clinpeft.report.results import csv_cell
from clinpeft.report.wording import NONE, interval, score


@dataclass(frozen=True)
class Estimate:
    """A number with its interval: one column of LaTeX, three of CSV."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Amount:
    """A number that LaTeX shows in other words: a cost with its unit, a large count."""

    value: float | None
    words: str


Cell = str | int | float | Estimate | Amount | None


@dataclass(frozen=True)
class Table:
    """One table; `name` becomes its file's."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_csv(self) -> str:
        """With a header line; a column of estimates is followed by its `low` and `high`."""
        is_estimate = [any(isinstance(row[place], Estimate) for row in self.rows) for place in range(len(self.columns))]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        head: list[str] = []
        for column, has_ends in zip(self.columns, is_estimate, strict=True):
            head += [column, f"{column} low", f"{column} high"] if has_ends else [column]
        writer.writerow(head)
        for row in self.rows:
            cells: list[object] = []
            for cell, has_ends in zip(row, is_estimate, strict=True):
                cells += _flat(cell, has_ends)
            writer.writerow([csv_cell(cell) for cell in cells])
        return text.getvalue()

    def to_latex(self) -> str:
        """Ready for a document with the packages booktabs and longtable."""
        texts = [any(isinstance(row[place], str) for row in self.rows) for place in range(len(self.columns))]
        rows = [[cell_in_words(cell) for cell in row] for row in self.rows]
        return latex_table(file_name(self.name, set()), self.caption, self.columns, rows, texts)


def write_tables(found: Sequence[Table], folder: Path) -> list[Path]:
    """`<name>.csv` and `<name>.tex` of each table in `folder`, each whole or not at all; the paths written."""
    paths: list[Path] = []
    taken: set[str] = set()
    for table in found:
        name = file_name(table.name, taken)
        for ending, text in ((".csv", table.to_csv()), (".tex", table.to_latex())):
            paths.append(folder / f"{name}{ending}")
            write_atomic(paths[-1], text)
    return paths


def file_name(name: str, taken: set[str]) -> str:
    """A name that is safe as a file's and not in `taken`, to which it is added."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "table"
    number, unique = 1, plain
    while unique in taken:
        number += 1
        unique = f"{plain}-{number}"
    taken.add(unique)
    return unique


def _flat(cell: Cell, has_ends: bool) -> list[object]:
    if isinstance(cell, Estimate):
        return [cell.value, cell.low, cell.high]
    plain = cell.value if isinstance(cell, Amount) else cell
    return [plain, None, None] if has_ends else [plain]


def cell_in_words(cell: Cell) -> str:
    """A cell as a reader sees it."""
    if cell is None:
        return NONE
    if isinstance(cell, Estimate):
        return f"{score(cell.value)} {interval(cell.low, cell.high)}".strip()
    if isinstance(cell, Amount):
        return cell.words
    if isinstance(cell, float):
        return score(cell)
    return f"{cell:,}" if isinstance(cell, int) else cell
