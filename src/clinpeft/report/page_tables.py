"""What the tables of a report hold, for a spreadsheet and for a paper."""

from __future__ import annotations

from collections.abc import Iterator

from clinpeft.data.card import SPLITS
from clinpeft.record import Score
from clinpeft.report.results import ResultRow
from clinpeft.report.seeds import middle_half, spread_of_seeds
from clinpeft.report.tables import Amount, Cell, Estimate, Table
from clinpeft.report.task_section import TaskView
from clinpeft.report.view import Page
from clinpeft.report.wording import COST_WORDS, cost
from clinpeft.spec import CostField


def tables(page: Page) -> list[Table]:
    """All tables of a report, task by task, then those of the whole study; empty ones are left out."""
    found = [table for task in page.tasks for table in _of_task(task)] + [_recommendations(page), _failures(page)]
    found += [table for view in page.views for table in view.tables]
    found.append(_runs(page))
    return [table for table in found if table.rows]


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
            _middle(view.row),
            spread_of_seeds(view.row.per_seed),
            view.row.num_failed,
        )
        for view in task.rows
    )
    seeds = tuple(f"seed {number + 1}" for number in range(most))
    columns = ("configuration", *seeds, "mean", "interquartile mean", "standard deviation", "failed")
    return Table(f"{task.name}-seeds", f"{task.metric} of every seed, {task.name}", columns, rows)


def _middle(row: ResultRow) -> Estimate:
    found = middle_half(row)
    return Estimate(found.value, found.low, found.high)


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
