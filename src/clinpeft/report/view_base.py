"""Views: the study's own analyses as tables and small plots of one store; a view without its axis is None."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from clinpeft.report.configurations import Configuration
from clinpeft.report.load import LoadedRun
from clinpeft.report.results import ResultRow, Results
from clinpeft.report.tables import Amount, Cell, Estimate, Table, cell_in_words
from clinpeft.report.wording import count, method_labels


@dataclass(frozen=True)
class View:
    """A section of the report."""

    name: str
    """Its anchor, and the start of its tables' names."""
    title: str
    lead: str
    """What is shown, and what must be known to read it."""
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    plots: tuple[Markup, ...] = ()

    def words(self, cell: Cell) -> str:
        """A cell of its tables as it reads."""
        return cell_in_words(cell)

    def value(self, cell: Cell) -> str | float | None:
        """What a cell is sorted by."""
        return cell.value if isinstance(cell, Estimate | Amount) else cell


@dataclass(frozen=True)
class Entry:
    """A configuration and the row of its headline metric."""

    row: ResultRow
    """On test where its labels were opened for all, else on validation."""
    configuration: Configuration
    label: str
    """Its method, with the options that tell it from others of the same name."""

    @property
    def estimate(self) -> Estimate:
        """Its score."""
        return Estimate(self.row.mean, self.row.low, self.row.high)

    @property
    def runs(self) -> list[LoadedRun]:
        """The successful ones."""
        return self.configuration.successes()

    @property
    def runs_of_its_hardware(self) -> list[LoadedRun]:
        """Those of them whose costs the row tells."""
        machines = [(run, run.record.environment) for run in self.runs]
        return [run for run, machine in machines if machine and machine.hardware_id == self.row.hardware_id]


def entries(found: Sequence[Configuration], results: Results) -> list[Entry]:
    """Every trained configuration, baselines left out, in the report's order.

    Where a task has been searched, only what the search chose: the default's runs beside it answer another question.
    """
    of_runs = {tuple(run.record.run for run in configuration.runs): configuration for configuration in found}
    heads: dict[tuple[str, ...], dict[str, ResultRow]] = defaultdict(dict)
    for row in results.rows:
        if row.runs in of_runs and row.metric == of_runs[row.runs].headline:
            heads[row.runs].setdefault(row.split, row)
    kept = [rows for rows in heads.values() if not rows["validation"].is_baseline]
    opened = {row.task for rows in kept if (row := rows["validation"])} - {
        rows["validation"].task for rows in kept if "test" not in rows
    }
    chosen = [rows["test" if rows["validation"].task in opened else "validation"] for rows in kept]
    searched = {_place(row) for row in chosen if row.tuned}
    chosen = [row for row in chosen if row.tuned or _place(row) not in searched]
    labels: dict[tuple[str, ...], str] = {}
    for rows in ([row for row in chosen if row.subset is None], [row for row in chosen if row.subset is not None]):
        labels |= {row.runs: label for row, label in zip(rows, method_labels(rows), strict=True)}
    return [Entry(row, of_runs[row.runs], labels[row.runs]) for row in chosen]


def by_task(found: Iterable[Entry], keep: Callable[[Entry], bool] = lambda entry: True) -> dict[str, list[Entry]]:
    """The entries that are kept, by task, in order."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in found:
        if keep(entry):
            groups[entry.row.task].append(entry)
    return groups


def judged(found: Sequence[Entry]) -> str:
    """`auroc, test`: what the scores of one task's entries are."""
    return f"{found[0].row.metric}, {found[0].row.split}"


def grid(found: Sequence[Entry], row_of: Callable[[Entry], Any], column_of: Callable[[Entry], Any]) -> dict[Any, Any]:
    """{row: {column: entry}}, the first entry of each cell, rows in order of appearance."""
    cells: dict[Any, dict[Any, Entry]] = {}
    for entry in found:
        cells.setdefault(row_of(entry), {}).setdefault(column_of(entry), entry)
    return cells


def on_one_machine(found: Sequence[Entry]) -> list[Entry]:
    """Those on the hardware that most were run on."""
    counted = Counter(entry.row.hardware_id for entry in found)
    most = counted.most_common(1)[0][0] if counted else None
    return [entry for entry in found if entry.row.hardware_id == most]


def on_other_machines(task: str, found: Sequence[Entry], known: Sequence[Entry]) -> list[str]:
    """What to say of those of a task that `on_one_machine` leaves out for their hardware."""
    others = {entry.row.hardware_id for entry in found} - {entry.row.hardware_id for entry in known}
    number = sum(entry.row.hardware_id in others - {None} for entry in found)
    return [f"{task}: {count(number, 'configuration')} left out, measured on other hardware."] if number else []


def whole(entry: Entry) -> bool:
    """Whether it was trained on all of train."""
    return entry.row.subset is None


def _place(row: ResultRow) -> tuple[Any, ...]:
    return row.task, row.model, row.method, row.subset
