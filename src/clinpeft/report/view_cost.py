"""The cost table of the 2024 study: 10 epochs of training and 100,000 notes scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from clinpeft.prices.rates import SECONDS_PER_HOUR, Price
from clinpeft.report.tables import Amount, Cell, Table
from clinpeft.report.view_base import Entry, View, by_task, on_one_machine, on_other_machines, whole
from clinpeft.report.wording import money

EPOCHS, NOTES = 10, 100_000


@dataclass(frozen=True)
class _Hours:
    """Of one configuration: to train for 10 epochs, and to score 100,000 notes; means over its runs."""

    training: float
    scoring: float

    def total(self, train: Price | None, serve: Price | None) -> float:
        """In money, where both prices are given; else in hours."""
        if train is None or serve is None:
            return self.training + self.scoring
        seconds = self.training * SECONDS_PER_HOUR, self.scoring * SECONDS_PER_HOUR
        return train.rate.money(seconds[0]) + serve.rate.money(seconds[1])


def cost_table(found: Sequence[Entry], train: Price | None = None, serve: Price | None = None) -> View | None:
    """For each task the hours to train for 10 epochs and to score 100,000 notes, by measured speed, with money where
    prices are given; None with fewer than two configurations on one machine."""
    tables, notes = [], []
    for task, mine in by_task(found, whole).items():
        known = on_one_machine([entry for entry in mine if _hours(entry)])
        hours = {entry.row.runs: hours for entry in known if (hours := _hours(entry))}
        if len(known) < 2:
            continue
        totals = {runs: one.total(train, serve) for runs, one in hours.items()}
        order = sorted(known, key=lambda entry: totals[entry.row.runs])
        rows = []
        for entry in order:
            one, total = hours[entry.row.runs], totals[entry.row.runs]
            ratio = total / max(totals.values())
            paid = (Amount(total, money(total)),) if train and serve else ()
            cells: tuple[Cell, ...] = (
                _in_hours(one.training),
                _in_hours(one.scoring),
                *paid,
                Amount(1 / ratio, f"{1 / ratio:,.3g} ×"),
            )
            rows.append((entry.row.model, entry.label, *cells))
        in_money = (f"total {train.currency}",) if train and serve else ()
        measured = (f"hours for {EPOCHS} epochs", f"hours for {NOTES:,} notes")
        columns = ("model", "method", *measured, *in_money, "the dearest costs")
        caption = f"{task}: {EPOCHS} epochs of training and {NOTES:,} notes scored"
        tables.append(Table(f"cost-{task}", caption, columns, tuple(rows)))
        notes += on_other_machines(task, mine, known)
    lead = (
        f"As in the cost table of the 2024 study: {EPOCHS} epochs of this task and {NOTES:,} notes scored in batches, "
        "from the speed that was measured on this machine, judging left out."
    )
    if train and serve:
        lead += f" Prices: {train.describe()}; {serve.describe()}. They hold only if that machine is as fast."
    return View("cost", "Cost table", lead, tuple(tables), tuple(notes)) if tables else None


def _hours(entry: Entry) -> _Hours | None:
    found = list(_of_runs(entry))
    return _Hours(fmean(one for one, _ in found), fmean(other for _, other in found)) if found else None


def _of_runs(entry: Entry) -> Iterator[tuple[float, float]]:
    card = entry.configuration.card
    for run in entry.runs_of_its_hardware:
        work, seconds = run.record.work, run.record.cost.get("train_seconds")
        speed = run.record.cost.get("examples_per_second")
        if card is None or work is None or seconds is None or speed is None:
            continue
        if work.examples and seconds.value is not None and speed.value:
            epochs = work.examples / card.counts["train"].examples
            yield seconds.value / epochs * EPOCHS / SECONDS_PER_HOUR, NOTES / speed.value / SECONDS_PER_HOUR


def _in_hours(value: float) -> Amount:
    return Amount(value, f"{value:.2f}" if value >= 0.01 else f"{value:.2g}")
