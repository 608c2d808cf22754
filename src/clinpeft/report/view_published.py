"""Beside the paper: reproduced scores set against those of Taylor et al. (2024)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path
from statistics import fmean, median, stdev

from clinpeft.record import Score
from clinpeft.report.results import Z
from clinpeft.report.tables import Cell, Table
from clinpeft.report.view_base import Entry, View, by_task, whole
from clinpeft.report.wording import count

PUBLISHED = Path(__file__).with_name("taylor2024.csv")
STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {"mean": fmean, "median": median, "max": max}
RANK, RATE, FULL_RATE = 8, 3e-4, 3e-5
"""Of LoRA, of all methods but full fine-tuning, and of that, in the published runs."""
UNPUBLISHED = ("mednli",)
"""Tasks of the study of which it published no score."""


@dataclass(frozen=True)
class Published:
    """One test score of the study's run set of three seeds."""

    task: str
    model: str
    method: str
    metric: str
    statistic: str
    """Over the seeds: mean, median or max."""
    value: float
    std: float | None
    """Over the seeds; a lower bound of seed noise, since all of them trained in one order of examples."""
    num_seeds: int
    source: str


@cache
def published() -> tuple[Published, ...]:
    """The study's scores, from the packaged table."""
    lines = [line for line in PUBLISHED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found = []
    for row in csv.DictReader(lines):
        std = float(row.pop("std") or "nan")
        value, num_seeds = float(row.pop("value")), int(row.pop("num_seeds"))
        found.append(Published(**row, value=value, std=None if std != std else std, num_seeds=num_seeds))
    return tuple(found)


def tolerance(their_std: float | None, our_std: float | None, test: float | None) -> float:
    """How far two reproductions may lie apart: 2 √(their sd² + our sd² + the test split's standard error²).

    What is not known counts as nothing, so the bound is then too strict, never too lenient.
    """
    return 2 * sqrt(sum((part or 0.0) ** 2 for part in (their_std, our_std, test)))


def error_of_test(scores: Sequence[Score]) -> float | None:
    """The standard error that the test split's size leaves: from the 95 % intervals, averaged over seeds as squares."""
    arms = [(score.high - score.low) / (2 * Z) for score in scores if score.low is not None and score.high is not None]
    return sqrt(fmean(arm**2 for arm in arms)) if arms else None


def beside_the_paper(found: Sequence[Entry]) -> View | None:
    """For each task of a study in paper mode its test scores beside the published ones; None without such a study.

    A score is told only where the test labels were opened, and entities only where word pieces were scored.
    """
    in_paper_mode = [entry for entry in found if entry.configuration.study.study.mode == "paper"]
    mine = by_task(in_paper_mode, lambda entry: whole(entry) and _is_of_the_study(entry) and _is_as_published(entry))
    if not mine:
        return None
    tables, sealed, within, compared = [], 0, 0, 0
    for task, of_task in mine.items():
        rows = []
        for entry in of_task:
            if not any(run.test for run in entry.runs):
                sealed += 1
                continue
            lines = [_line(entry, one) for one in published() if _is_for(one, entry)]
            rows += lines or [_alone(entry)]
        compared += sum(row[-1] in {"within", "outside"} for row in rows)
        within += sum(row[-1] == "within" for row in rows)
        columns = (
            "model",
            "method",
            "metric",
            "published",
            "sd",
            "here",
            "sd here",
            "difference",
            "may differ by",
            "verdict",
        )
        if rows:
            told = [place for place in range(len(columns)) if any(row[place] is not None for row in rows)]
            caption = f"{task}: test scores here and published"
            shown = tuple(tuple(row[place] for place in told) for row in rows)
            tables.append(Table(f"published-{task}", caption, tuple(columns[place] for place in told), shown))
    notes = [f"{within} of {count(compared, 'score')} within."] if compared else []
    if tables and not compared:
        notes.append("The study published no score of these models, methods and tasks together: nothing is compared.")
    if sealed:
        notes.append(f"{count(sealed, 'configuration')} not told: the test labels are sealed (`clinpeft open-test`).")
    return View("published", "Beside the paper", _LEAD, tuple(tables), tuple(notes))


_LEAD = (
    "Run set A of Taylor et al. 2024 (three seeds), read from the notebooks of their public repository; the printed "
    "tables may be rounded otherwise. Within means a difference of at most 2 √(their sd² + sd here² + the standard "
    "error that the test split's size leaves²), for the statistic that they give (median, mean or the best of three "
    "seeds). Their sd is a lower bound: all their seeds trained in one order of examples. Not all is repeated: the "
    "head is ours (decision 7), and the versions of all libraries are today's. The study published no score for "
    "MedNLI."
)


def _line(entry: Entry, one: Published) -> tuple[Cell, ...]:
    """Names, the published value, ours, and whether they agree."""
    scores = [run.test.scores[one.metric] for run in entry.runs if run.test and one.metric in run.test.scores]
    values = [score.value for score in scores if score.value is not None]
    if not values:
        return (entry.row.model, entry.label, one.metric, one.value, one.std, None, None, None, None, "not scored here")
    ours = STATISTICS[one.statistic](values)
    our_std = stdev(values) if len(values) > 1 else None
    bound = tolerance(one.std, our_std, error_of_test(scores))
    verdict = "within" if abs(ours - one.value) <= bound else "outside"
    metric = f"{one.metric} ({one.statistic})"
    return (entry.row.model, entry.label, metric, one.value, one.std, ours, our_std, ours - one.value, bound, verdict)


def _alone(entry: Entry) -> tuple[Cell, ...]:
    """A configuration of which nothing was published."""
    metric = entry.row.metric
    scores = [run.test.scores[metric] for run in entry.runs if run.test and metric in run.test.scores]
    values = [score.value for score in scores if score.value is not None]
    ours, std = (fmean(values) if values else None), (stdev(values) if len(values) > 1 else None)
    return (entry.row.model, entry.label, f"{metric} (mean)", None, None, ours, std, None, None, "nothing published")


def _is_of_the_study(entry: Entry) -> bool:
    return entry.row.task in {*(one.task for one in published()), *UNPUBLISHED}


def _is_as_published(entry: Entry) -> bool:
    """Whether it was made as run set A was: LoRA of rank 8, the one rate, the best epoch of all, without a time limit.

    The study's other parts (ranks, budgets, single runs scored at their last epoch) are not in the packaged table.
    """
    train, options = entry.configuration.spec.train, entry.row.options
    keeps_best = train.judge is None or train.judge.keep == "best"
    rate = FULL_RATE if entry.row.method == "full" else RATE
    return (
        options.get("r", RANK) == RANK and train.learning_rate == rate and keeps_best and not train.time_limit_seconds
    )


def _is_for(one: Published, entry: Entry) -> bool:
    card = entry.configuration.card
    if one.metric.startswith("entity") and not (card and card.scores_pieces()):
        return False
    return (one.task, one.model, one.method) == (entry.row.task, entry.row.model, entry.row.method)
