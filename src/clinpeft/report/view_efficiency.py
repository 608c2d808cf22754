"""Parameter efficiency, and the holistic efficiency score."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from clinpeft.report.holistic import holistic_efficiency, shifts
from clinpeft.report.tables import Amount, Cell, Table
from clinpeft.report.view_base import Entry, View, by_task, judged, on_one_machine, on_other_machines, whole
from clinpeft.report.view_time import time_of_best
from clinpeft.report.wording import parameters, small_percent
from clinpeft.runs.curves import read_curve


def parameter_efficiency(found: Sequence[Entry]) -> View | None:
    """For each task what every configuration trains, and its score less that of full fine-tuning of the same model;
    None with one method."""
    tables = []
    for task, mine in by_task(found, whole).items():
        if len({entry.label for entry in mine}) < 2:
            continue
        full = {entry.row.model: entry.row.mean for entry in mine if entry.row.method == "full"}
        order = sorted(mine, key=lambda entry: (entry.row.model, entry.row.trainable_parameters or 0))
        rows = tuple(_trained(entry, full.get(entry.row.model)) for entry in order)
        columns = ("model", "method", "trained", "of the whole", "score", "difference to full")
        tables.append(Table(f"parameters-{task}", f"{task}: {judged(mine)} by trained parameters", columns, rows))
    lead = (
        "What trains (adapter and head), which share of the whole model that is, and how the score compares with full "
        "fine-tuning of the same model; the last column has no interval of its own, see the paired differences."
    )
    return View("parameters", "Parameter efficiency", lead, tuple(tables)) if tables else None


def holistic(found: Sequence[Entry]) -> View | None:
    """For each task the 2024 study's efficiency score of every configuration, and how it shifts when one of the others
    is left out; None with fewer than three on one machine."""
    tables, notes = [], []
    for task, mine in by_task(found, whole).items():
        known = on_one_machine([entry for entry in mine if _seconds_to_best(entry) and _sizes(entry)])
        if len(known) < 3:
            continue
        seconds = [_seconds_to_best(entry) or 0.0 for entry in known]
        adapters, totals = zip(*(_sizes(entry) or (0, 0) for entry in known), strict=True)
        scores, ranges = holistic_efficiency(seconds, adapters, totals), shifts(seconds, adapters, totals)
        rows = sorted(
            (
                (score, entry.row.model, entry.label, low, high, entry.row.mean)
                for score, (low, high), entry in zip(scores, ranges, known, strict=True)
            ),
            key=lambda row: (-row[0], *row[1:3]),
        )
        columns = ("model", "method", "efficiency", "lowest", "highest", judged(known))
        plain = tuple((model, method, score, low, high, mean) for score, model, method, low, high, mean in rows)
        tables.append(Table(f"efficiency-{task}", f"{task}: holistic efficiency score", columns, plain))
        notes += on_other_machines(task, mine, known)
    lead = (
        "The score of arXiv 2402.10597: time to the best epoch, adapter and whole model, each brought to 0 to 1 over "
        "the configurations shown, and averaged with equal weight. It is kept to compare with that study only. "
        "Lowest and highest are what a configuration's score becomes when any one of the others is left out: nothing "
        "about it has changed then. Decide by the Pareto front."
    )
    return View("efficiency", "Holistic efficiency score", lead, tuple(tables), tuple(notes)) if tables else None


def _trained(entry: Entry, full: float | None) -> tuple[Cell, ...]:
    trainable, run = entry.row.trainable_parameters, next(iter(entry.runs), None)
    total = run.record.parameters.total if run and run.record.parameters else None
    share = trainable / total if trainable is not None and total else None
    less = None if full is None or entry.row.mean is None else entry.row.mean - full
    return (
        entry.row.model,
        entry.label,
        None if trainable is None else Amount(trainable, parameters(trainable)),
        None if share is None else Amount(share, small_percent(share)),
        entry.estimate,
        None if less is None else Amount(less, f"{less:+.3f}"),
    )


def _seconds_to_best(entry: Entry) -> float | None:
    """The mean over its runs on the row's hardware; without a curve the whole training's."""
    found = []
    for run in entry.runs_of_its_hardware:
        curve, cost = read_curve(run.folder), run.record.cost.get("train_seconds")
        best = time_of_best(curve, entry) if curve else None
        seconds = best if best is not None else cost.value if cost else None
        if seconds is not None:
            found.append(seconds)
    return fmean(found) if found else None


def _sizes(entry: Entry) -> tuple[int, int] | None:
    """The adapter's parameters, and the model's without it; where everything trains both are the backbone's."""
    run = next(iter(entry.runs), None)
    if run is None or run.record.parameters is None:
        return None
    sizes = run.record.parameters
    return sizes.adapter, sizes.total - (0 if entry.row.method == "full" else sizes.adapter)
