"""Time to quality: the best score that a run had reached after so many seconds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from clinpeft.record import Curve
from clinpeft.report.tables import Amount, Cell, Table
from clinpeft.report.view_base import Entry, View, by_task, on_one_machine, on_other_machines, whole
from clinpeft.report.wording import seconds
from clinpeft.runs.curves import read_curve

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of the longest run's time; the budgets of the table."""


def time_to_quality(found: Sequence[Entry]) -> View | None:
    """For each task the mean of the best validation score reached within a budget; None where no run had a time limit
    and none was judged between epochs."""
    tables, notes = [], []
    for task, mine in by_task(found, lambda entry: whole(entry) and _has_axis(entry)).items():
        curves = {entry.row.runs: _curves(entry) for entry in mine}
        known = on_one_machine([entry for entry in mine if curves[entry.row.runs]])
        if not known:
            continue
        longest = max(spent(one, len(one.points) - 1, entry) for entry in known for one in curves[entry.row.runs])
        budgets = [share * longest for share in SHARES]
        rows: list[tuple[Cell, ...]] = []
        for entry in known:
            mine_too = curves[entry.row.runs]
            reached = [_mean([within(one, budget, entry) for one in mine_too]) for budget in budgets]
            best = _mean([time_of_best(one, entry) for one in mine_too])
            rows.append((entry.row.model, entry.label, *reached, None if best is None else Amount(best, seconds(best))))
        metric = curves[known[0].row.runs][0].metric
        columns = ("model", "method", *(seconds(budget) for budget in budgets), "time of its best")
        tables.append(Table(f"time-{task}", f"{task}: best {metric} on validation after so long", columns, tuple(rows)))
        notes += on_other_machines(task, mine, known)
    lead = (
        "The mean over seeds of the best score, on what the run's weights are chosen by, that had been reached by "
        "then; a dash where nothing had been judged yet. Times are those of one machine, and of training alone "
        "unless the study's limit counts the judging too."
    )
    return View("time", "Time to quality", lead, tuple(tables), tuple(notes)) if tables else None


def spent(curve: Curve, place: int, entry: Entry) -> float:
    """Seconds until a point of a curve, as the study's limit counts them."""
    point = curve.points[place]
    counts_judging = entry.configuration.spec.train.time_limit_counts == "everything"
    return point.train_seconds + (point.evaluate_seconds if counts_judging else 0.0)


def within(curve: Curve, budget: float, entry: Entry) -> float | None:
    """The best score that a run had reached within so many seconds; None when there was none."""
    scores = [
        point.score
        for place, point in enumerate(curve.points)
        if point.score is not None and spent(curve, place, entry) <= budget * (1 + 1e-9)
    ]
    return max(scores, default=None)


def time_of_best(curve: Curve, entry: Entry) -> float | None:
    """Seconds after which a run's best score was first reached."""
    scored = [(point.score, -place) for place, point in enumerate(curve.points) if point.score is not None]
    return spent(curve, -max(scored)[1], entry) if scored else None


def _curves(entry: Entry) -> list[Curve]:
    found = [read_curve(run.folder) for run in entry.runs_of_its_hardware]
    return [curve for curve in found if curve is not None and curve.points]


def _has_axis(entry: Entry) -> bool:
    train = entry.configuration.spec.train
    return train.time_limit_seconds is not None or (train.judge is not None and train.judge.every_steps is not None)


def _mean(values: Sequence[float | None]) -> float | None:
    """None where a run lacks it: a mean over the quicker seeds alone would flatter."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None
