"""Every table of the report as CSV (full precision, an interval in three columns) and LaTeX (as it reads, booktabs)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinpeft.data.card import SPLITS
from clinpeft.files import write_atomic
from clinpeft.record import Score
from clinpeft.report.closer import iqm, spread_of_seeds
from clinpeft.report.results import ResultRow, csv_cell
from clinpeft.report.view import Page, TaskView
from clinpeft.report.wording import COST_WORDS, NONE, cost, interval, score
from clinpeft.spec import CostField

LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
}


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
        """A `table` for the package booktabs, numbers flush right."""
        is_text = [any(isinstance(row[place], str) for row in self.rows) for place in range(len(self.columns))]
        lines = [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{latex(self.caption)}}}",
            f"\\label{{tab:{self.name}}}",
            f"\\begin{{tabular}}{{{''.join('l' if text else 'r' for text in is_text)}}}",
            r"\toprule",
            _line(latex(column) for column in self.columns),
            r"\midrule",
            *(_line(latex(cell_in_words(cell)) for cell in row) for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"


def tables(page: Page) -> list[Table]:
    """All tables of a report, task by task, then those of the whole study; empty ones are left out."""
    found = [table for task in page.tasks for table in _of_task(task)] + [_recommendations(page), _failures(page)]
    found += [table for view in page.views for table in view.tables]
    found.append(_runs(page))
    return [table for table in found if table.rows]


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


def latex(text: str) -> str:
    """Text with every sign that LaTeX would take for a command escaped.

    >>> latex("50 % of A_1 & {B}")
    '50 \\\\% of A\\\\_1 \\\\& \\\\{B\\\\}'
    """
    return "".join(LATEX.get(sign, sign) for sign in " ".join(text.split()))


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


def _line(cells: Iterator[str]) -> str:
    return " & ".join(cells) + r" \\"


def _of_task(task: TaskView) -> Iterator[Table]:
    yield _configurations(task)
    yield _scores(task)
    yield _costs(task)
    yield _seeds(task)
    yield _options(task)
    yield from _closer(task)
    yield from _data(task)


def _configurations(task: TaskView) -> Table:
    rows = []
    for view in task.rows:
        row = view.row
        test = view.test
        cells: list[Cell] = [view.name, "yes" if view.is_choice else "", _estimate(row)]
        cells += [_estimate(test) if test else None] if task.has_test else []
        cells += [row.num_seeds, row.num_failed]
        cells += [_amount(row, field) for field in task.main_costs]
        rows.append((*cells, row.trainable_parameters, row.front_probability))
    columns = ["configuration", "recommended", f"{task.metric} validation"]
    columns += [f"{task.metric} test"] if task.has_test else []
    columns += ["seeds", "failed seeds", *(COST_WORDS[field] for field in task.main_costs)]
    columns += ["trainable parameters", "probability of the front"]
    return Table(
        f"{task.name}-configurations", f"Configurations of {task.name}, best first", tuple(columns), tuple(rows)
    )


def _scores(task: TaskView) -> Table:
    rows = tuple(
        (view.name, *(_estimate(view.others[column]) if column in view.others else None for column in task.columns))
        for view in task.rows
    )
    columns = ("configuration", *(f"{metric} {split}" for split, metric in task.columns))
    return Table(f"{task.name}-scores", f"All scores of {task.name}", columns, rows)


def _costs(task: TaskView) -> Table:
    rows = tuple(
        (view.name, *(_amount(view.row, field) for field in task.cost_fields), view.row.hardware_id)
        for view in task.rows
    )
    columns = ("configuration", *(COST_WORDS[field] for field in task.cost_fields), "hardware")
    return Table(f"{task.name}-costs", f"All costs of {task.name}, of one run", columns, rows)


def _seeds(task: TaskView) -> Table:
    most = max((len(view.row.per_seed) for view in task.rows), default=0)
    rows = tuple(
        (
            view.name,
            *view.row.per_seed,
            *[None] * (most - len(view.row.per_seed)),
            view.row.mean,
            iqm(view.row.per_seed),
            spread_of_seeds(view.row.per_seed),
            view.row.num_failed,
        )
        for view in task.rows
    )
    seeds = tuple(f"seed {number + 1}" for number in range(most))
    columns = ("configuration", *seeds, "mean", "interquartile mean", "standard deviation", "failed")
    return Table(f"{task.name}-seeds", f"{task.metric} of every seed, {task.name}", columns, rows)


def _options(task: TaskView) -> Table:
    rows = tuple(
        (
            view.name,
            view.row.domain,
            view.row.backbone_parameters,
            ", ".join(f"{key} = {value}" for key, value in view.row.options.items()),
            "yes" if view.row.tuned else "",
        )
        for view in task.rows
    )
    columns = ("configuration", "pre-trained on", "backbone parameters", "options", "tuned")
    return Table(f"{task.name}-options", f"Options of the configurations of {task.name}", columns, rows)


def _closer(task: TaskView) -> Iterator[Table]:
    look = task.closer
    shares = ("alert_rate", "sensitivity", "specificity", "ppv", "npv", "prevalence")
    yield Table(
        f"{task.name}-thresholds",
        f"Answers at fixed thresholds on {look.split}, {task.name}",
        ("configuration", "role", "label", "threshold", "rule", *(name.replace("_", " ") for name in shares)),
        tuple(
            (
                line.name,
                line.role,
                line.point.label,
                line.point.threshold,
                line.rule,
                *(_of_score(getattr(line.point, name)) for name in shares),
            )
            for line in look.points
        ),
    )
    parts = ("slope", "intercept", "brier", "brier_skill", "log_loss")
    yield Table(
        f"{task.name}-calibration",
        f"Calibration on {look.split}, {task.name}",
        ("configuration", "label", *(name.replace("_", " ") for name in parts), "expected error"),
        tuple(
            (
                name,
                found.label,
                *(_of_score(getattr(found, part)) for part in parts),
                found.expected_error,
            )
            for name, judged in look.judged
            for found in judged.calibration
        ),
    )
    yield Table(
        f"{task.name}-subgroups",
        f"{task.metric} by subgroup on {look.split}, {task.name}; fewer than 11 subjects are hidden",
        ("column", "group", "subjects", "examples", "positives", task.metric, "difference to the rest", "p", "q"),
        tuple(
            (
                group.column,
                group.value,
                group.num_subjects,
                group.num_examples,
                group.num_positives,
                _of_score(group.score),
                _of_score(group.difference),
                group.p,
                group.q,
            )
            for group in look.subgroups
        ),
    )
    yield Table(
        f"{task.name}-duels",
        f"How often the line is better than the column, {task.name}",
        ("configuration", *(name for name, _ in look.duels)),
        tuple((name, *(duel.win if duel else None for duel in duels)) for name, duels in look.duels),
    )


def _data(task: TaskView) -> Iterator[Table]:
    card = task.card
    splits = [split for split in SPLITS if card and split in card.counts]
    yield Table(
        f"{task.name}-splits",
        f"Splits of {task.name}",
        ("split", "examples", "subjects"),
        tuple((split, card.counts[split].examples, card.counts[split].subjects) for split in splits) if card else (),
    )
    yield Table(
        f"{task.name}-labels",
        f"Labels of {task.name}; counts below 11 are hidden",
        ("label", *splits),
        tuple((label, *(counts[split] for split in splits)) for label, counts in task.labels.items()),
    )


def _recommendations(page: Page) -> Table:
    rows = tuple(
        (
            task.name,
            task.choice.name if task.choice else "nothing fits",
            _estimate(task.choice.row) if task.choice else None,
            task.recommendation.verdict.replace("_", " "),
            task.recommendation.sentence,
        )
        for task in page.tasks
    )
    return Table("recommendations", "Recommendations", ("task", "take", "score", "verdict", "in words"), rows)


def _failures(page: Page) -> Table:
    records = [(line.name, line.run.record) for line in page.failures]
    rows = tuple(
        (record.run, name, record.spec.seed, record.status, record.reason.code if record.reason else None)
        for name, record in records
    )
    return Table("failures", "Runs that gave no result", ("run", "what", "seed", "status", "reason"), rows)


def _runs(page: Page) -> Table:
    rows = []
    for line in page.runs:
        record = line.run.record
        found = record.scores.get(line.metric)
        cells = (record.run, line.name, record.spec.seed, record.status, _of_score(found) if found else None)
        rows.append((*cells, line.run.record_sha256))
    columns = ("run", "what", "seed", "status", "score", "sha256 of record.json")
    return Table("runs", "Runs, each with the SHA-256 of its record", columns, tuple(rows))


def _estimate(row: ResultRow) -> Estimate:
    return Estimate(row.mean, row.low, row.high)


def _of_score(found: Score) -> Estimate:
    return Estimate(found.value, found.low, found.high)


def _amount(row: ResultRow, field: CostField) -> Amount | None:
    summary = row.cost.get(field)
    return None if summary is None else Amount(summary.mean, cost(field, summary.mean))
