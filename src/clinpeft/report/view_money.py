"""Money to train and to serve, from a dated price list, and disk for many tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from clinpeft.errors import BadInput
from clinpeft.prices.rates import Price
from clinpeft.record import RunRecord
from clinpeft.report.load import LoadedStudy
from clinpeft.report.tables import Amount, Cell, Table
from clinpeft.report.view_base import Entry, View, by_task, judged, on_one_machine, on_other_machines, whole
from clinpeft.report.wording import cost, percent
from clinpeft.report.wording import money as in_words

NOTES = 1_000
FEW_TASKS = 10
"""For how many tasks disk is told where the study has but one."""
BYTES_A_PARAMETER = 4


def refuse_two_currencies(train: Price | None, serve: Price | None) -> None:
    """Raises BadInput for prices that cannot be added."""
    if train and serve and train.currency != serve.currency:
        rule = f"{train.name} is in {train.currency} and {serve.name} in {serve.currency}: they cannot be added"
        raise BadInput("prices", rule, "write both rates into one list, in one currency")


def money(
    found: Sequence[Entry], loaded: Sequence[LoadedStudy], train: Price | None, serve: Price | None
) -> View | None:
    """For each task what one run costs, what its search costs on top, and what 1,000 notes cost; None without a price.

    Measured energy is paid for at the list's tariff where the machine is one's own; else its `watts` are.
    """
    tables: list[Table] = []
    notes: list[str] = []
    for task, mine in by_task(found, whole).items() if train or serve else ():
        known = on_one_machine([entry for entry in mine if entry.row.hardware_id])
        if not known:
            continue
        is_searched = train is not None and any(entry.row.tuned for entry in known)
        rows = [(entry.row.model, entry.label, entry.estimate, *_paid(entry, loaded, train, serve)) for entry in known]
        names = (*(("one run", "with its search") if train else ()), *((f"{NOTES:,} notes",) if serve else ()))
        kept = [place for place, name in enumerate(names) if is_searched or name != "with its search"]
        columns = ("model", "method", judged(known), *(names[place] for place in kept))
        lines: list[tuple[Cell, ...]] = [(*row[:3], *(row[3 + place] for place in kept)) for row in rows]
        caption = f"{task}: {(train or serve).currency}, measured on {_machine(known)}"  # type: ignore[union-attr]
        tables.append(Table(f"money-{task}", caption, columns, tuple(sorted(lines, key=_dearness))))
        notes += on_other_machines(task, mine, known)
    prices = "; ".join(dict.fromkeys(price.describe() for price in (train, serve) if price))
    lead = (
        f"Prices: {prices}. One run is its training and its scoring, without loading; a search is all its trials and "
        f"one run with what it chose. {NOTES:,} notes are scored in batches. The hours are those of the machine that "
        "is named: the amounts hold where the priced machine is as fast."
    )
    return View("money", "Money", lead, tuple(tables), tuple(notes)) if tables else None


def disk(found: Sequence[Entry]) -> View | None:
    """What as many tasks as the study has (ten, where it has one) take on disk: one base and an adapter for each,
    against a whole model for each; None where every method trains the whole model."""
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in found:
        if whole(entry) and _mean_bytes([entry]) is not None and _whole_bytes(entry) is not None:
            groups[entry.row.model, entry.row.method].append(entry)
    if all(method == "full" for _, method in groups):
        return None
    most = max(len({entry.row.task for entry in mine}) for mine in groups.values())
    number = most if most > 1 else FEW_TASKS
    rows = tuple(_on_disk(mine, number) for mine in groups.values())
    columns = ("model", "method", "base", "for a task", f"for {number} tasks", f"{number} whole models", "of that")
    lead = (
        f"What is kept for {number} tasks: one base ({BYTES_A_PARAMETER} bytes a parameter) and an adapter with its "
        "head for each, as large as they were here on average, against a whole model for each. Full fine-tuning keeps "
        "no base."
    )
    return View("disk", "Disk for many tasks", lead, (Table("disk", f"Disk for {number} tasks", columns, rows),))


def _machine(known: Sequence[Entry]) -> str:
    """`Some CPU, 8 cores`, or its GPU."""
    found = (run.record.environment for entry in known for run in entry.runs_of_its_hardware)
    return next((one.gpu or f"{one.cpu}, {one.cores} cores" for one in found if one), "an unknown machine")


def _paid(entry: Entry, loaded: Sequence[LoadedStudy], train: Price | None, serve: Price | None) -> list[Cell]:
    cells: list[Cell] = []
    records = [run.record for run in entry.runs_of_its_hardware]
    if train:
        runs = [paid for record in records if (paid := _of_run(record, train)) is not None]
        one = fmean(runs) if runs else None
        search = _of_search(entry, loaded, train) if entry.row.tuned else None
        cells += [_amount(one), _amount(None if one is None or search is None else one + search)]
    if serve:
        speeds = [cost.value for record in records if (cost := record.cost.get("examples_per_second")) and cost.value]
        cells.append(_amount(serve.rate.money(NOTES / fmean(speeds)) if speeds else None))
    return cells


def _of_run(record: RunRecord, price: Price) -> float | None:
    """Its training and scoring; None where it was not measured."""
    parts = [record.cost.get("train_seconds"), record.cost.get("evaluate_seconds")]
    seconds = [part.value for part in parts if part is not None and part.value is not None]
    energy = record.cost.get("energy_joules")
    return price.rate.money(sum(seconds), energy.value if energy else None) if seconds else None


def _of_search(entry: Entry, loaded: Sequence[LoadedStudy], price: Price) -> float | None:
    """All trials of the entry's search; None where some ran on other hardware. What a failed one took is not known."""
    trials = [record for record in _trials(entry, loaded) if record.environment]
    if any(record.environment and record.environment.hardware_id != entry.row.hardware_id for record in trials):
        return None
    return sum(_of_run(record, price) or 0.0 for record in trials)


def _trials(entry: Entry, loaded: Sequence[LoadedStudy]) -> Iterable[RunRecord]:
    row = entry.row
    for record in (run.record for study in loaded for run in study.trials):
        spec = record.spec
        if (spec.task, spec.model, spec.method.name, spec.subset) == (row.task, row.model, row.method, row.subset):
            yield record


def _on_disk(mine: Sequence[Entry], number: int) -> tuple[Cell, ...]:
    a_task, model = _mean_bytes(mine) or 0.0, fmean(_whole_bytes(entry) or 0.0 for entry in mine)
    method = mine[0].row.method
    base = None if method == "full" else BYTES_A_PARAMETER * (_base_parameters(mine[0]) or 0)
    kept, models = (base or 0) + number * a_task, number * (a_task if method == "full" else model)
    sizes = (None if base is None else _size(base), _size(a_task), _size(kept), _size(models))
    return (mine[0].row.model, method, *sizes, Amount(kept / models, percent(kept / models)))


def _mean_bytes(mine: Sequence[Entry]) -> float | None:
    """Of what a run hands over: adapter and head, or the whole model."""
    sizes = [summary.mean for entry in mine if (summary := entry.row.cost.get("adapter_bytes"))]
    known = [size for size in sizes if size is not None]
    return fmean(known) if known else None


def _whole_bytes(entry: Entry) -> float | None:
    """Of the model with its head and without an adapter."""
    sizes, base = next((run.record.parameters for run in entry.runs), None), _base_parameters(entry)
    return None if sizes is None or base is None else float(BYTES_A_PARAMETER * (base + sizes.head))


def _base_parameters(entry: Entry) -> int | None:
    """The catalogue's count, else what is left of the whole without the head (an adapter beside it counts in)."""
    if entry.row.backbone_parameters is not None:
        return entry.row.backbone_parameters
    sizes = next((run.record.parameters for run in entry.runs), None)
    return None if sizes is None else sizes.total - sizes.head


def _dearness(cells: Sequence[Cell]) -> tuple[bool, float]:
    """Cheapest first, what is not known last."""
    paid = next((cell for cell in cells if isinstance(cell, Amount)), None)
    return paid is None, paid.value or 0.0 if paid else 0.0


def _amount(value: float | None) -> Amount | None:
    return None if value is None else Amount(value, in_words(value))


def _size(value: float) -> Amount:
    return Amount(value, cost("adapter_bytes", value))
