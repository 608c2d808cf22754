"""A study's execution: what is missing is trained, what is finished is left alone, a failure is kept and passed by."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clinpeft.data.dataset import TaskDataset, find_dataset
from clinpeft.errors import BadInput
from clinpeft.launchers.base import LAUNCHERS, Launcher
from clinpeft.record import RunRecord
from clinpeft.runs.find import find
from clinpeft.runs.grid import Plan, PlannedRun, may_fit, nothing_fits, only, plan
from clinpeft.runs.progress import Progress
from clinpeft.runs.store import Store
from clinpeft.runs.test_labels import open_test, read_test, who
from clinpeft.spec import Study
from clinpeft.train.energy import rated_watts


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to."""

    folder: Path
    parts: tuple[Path, ...]
    """Folders of the studies in it: the folder itself, or one below it for every study of a packaged folder."""
    num_trained: int
    num_kept: int
    num_failed: int
    """Of the runs asked for, trained now or earlier."""


def sweep(
    study: Study,
    base: Path,
    out: Path,
    *,
    data: tuple[Path, ...] = (),
    wanted: Mapping[str, str] | None = None,
    launcher: str = "local",
    retry_failed: bool = False,
) -> Outcome:
    """Run `study` into the folder `out`: train what has no sound record yet, and open the test labels if it says so.

    base: the folder to which the study's paths are relative; wanted: only runs that fit (task, model, method, seed,
    fold). Raises BadInput before anything is trained, EnvironmentStop when the machine stops it.
    """
    launch = LAUNCHERS.get(launcher)()
    # Read here for the error only: a run that met it would be recorded as failed.
    rated_watts()
    store = Store(out)
    if wanted and not may_fit(study, wanted):
        raise nothing_fits()
    found = find(study, base, data, out)
    store.refuse_another(study)
    with store.holding():
        planned = plan(found)
        runs = only(planned, wanted) if wanted else list(planned.runs)
        store.adopt(study)
        store.keep_cards(
            {name: dataset.card for name, dataset in planned.datasets.items()},
            {name: model.card for name, model in planned.models.items()},
        )
        missing = [run for run in runs if not _is_done(store, run, planned.metrics[run.spec.task], retry_failed)]
        _note_plan(store, planned, missing)
        _train(store, planned, missing, Progress(len(runs), missing), launch)
        if study.test == "open":
            _open_what_is_new(store, planned, runs)
        records = [record for run in runs if (record := store.record(run.run)) is not None]
        failed = sum(record.status != "success" for record in records)
        return Outcome(out, (out,), len(missing), len(runs) - len(missing), failed)


def open_test_labels(folder: Path, data: tuple[Path, ...] = ()) -> tuple[int, int]:
    """Open the test labels of a study's successful runs, as last planned: (runs opened, how often that was done).

    Raises BadInput when the dataset of a task is not found, or is another than its runs were trained on.
    """
    store = Store.open(folder)
    with store.holding():
        folders = [folder / "datasets", *data, *(folder.parent / name for name in store.study.data)]
        planned = [store.record(row["run"]) for row in store.index()]
        records = [record for record in planned if record is not None and record.status == "success"]
        datasets = {name: _dataset_of(name, folders, records) for name in {record.spec.task for record in records}}
        store.journal.append("test_opened", worker=who())
        for record in records:
            open_test(store.run_folder(record.run), record, datasets[record.spec.task], who())
        return len(records), sum(event.event == "test_opened" for event in store.journal.events())


def _is_done(store: Store, run: PlannedRun, metric: str, retry_failed: bool) -> bool:
    """A success counts while its files are sound and its epoch was chosen by `metric`; a failure counts unless it may
    be retried. A record that cannot be read is damaged, and is removed."""
    try:
        record = store.record(run.run)
    except BadInput:
        store.forget(run.run)
        return False
    if record is None:
        return False
    if record.status == "success":
        return next(iter(record.scores), None) == metric and store.is_sound(run.run)
    return record.status != "interrupted" and not retry_failed


def _note_plan(store: Store, planned: Plan, missing: list[PlannedRun]) -> None:
    journal = store.journal
    known = {event.run for event in journal.events() if event.event == "planned"}
    for run in planned.runs:
        if run.run not in known:
            journal.append("planned", run.run)
    if not missing:
        journal.append("noop")
    store.write_index(planned.runs)


def _train(store: Store, planned: Plan, missing: list[PlannedRun], progress: Progress, launch: Launcher) -> None:
    if not missing:
        return
    from clinpeft.runs.work import carry_out

    jobs = [(store, run, planned) for run in missing]
    try:
        for run, record in zip(missing, launch.map(carry_out, jobs), strict=True):
            progress.ended(run, record)
            store.write_index(planned.runs)
    finally:
        gc.unfreeze()


def _open_what_is_new(store: Store, planned: Plan, runs: list[PlannedRun]) -> None:
    by = "run (the study says `test: open`)"
    new = []
    for run in runs:
        record = store.record(run.run)
        if record is not None and record.status == "success" and read_test(store.run_folder(run.run)) is None:
            new.append(record)
    if new:
        store.journal.append("test_opened", worker=by)
    for record in new:
        open_test(store.run_folder(record.run), record, planned.datasets[record.spec.task], by)


def _dataset_of(name: str, folders: list[Path], records: list[RunRecord]) -> TaskDataset:
    """The dataset that the study's runs were trained on. Raises BadInput when it is gone or another."""
    found = find_dataset(name, folders)
    if found is None:
        raise BadInput(f"task '{name}'", "its dataset was not found", "name the folder it lies in with --data")
    dataset = TaskDataset.open(found)
    dataset.verify()
    if any(record.spec.task == name and record.identity.dataset != dataset.card.fingerprint for record in records):
        raise BadInput(str(found), "is another dataset than the study's runs were trained on", "name the right one")
    return dataset
