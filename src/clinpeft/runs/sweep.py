"""A study's execution: what is missing is trained, what is finished is left alone, a failure is kept and passed by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clinpeft.data.dataset import TaskDataset, find_dataset
from clinpeft.errors import BadInput
from clinpeft.launchers.base import LAUNCHERS
from clinpeft.record import RunRecord
from clinpeft.runs.grid import Plan, PlannedRun, only, plan
from clinpeft.runs.progress import Progress
from clinpeft.runs.store import Store
from clinpeft.runs.test_labels import open_test, read_test, who
from clinpeft.spec import Study


@dataclass(frozen=True)
class Outcome:
    """What a sweep came to."""

    folder: Path
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
    store = Store(out)
    with store.holding():
        planned = plan(study, base, data, out)
        runs = only(planned.runs, wanted) if wanted else list(planned.runs)
        store.adopt(study)
        store.keep_cards(
            {name: dataset.card for name, dataset in planned.datasets.items()},
            {name: model.card for name, model in planned.models.items()},
        )
        missing = [run for run in runs if not _is_done(store, run, retry_failed)]
        _note_plan(store, planned, missing)
        progress = Progress(len(runs), missing)
        if missing:
            from clinpeft.runs.work import carry_out

            jobs = [(store, run, planned) for run in missing]
            for run, record in zip(missing, launch.map(carry_out, jobs), strict=True):
                progress.ended(run, record)
                store.write_index(planned.runs)
        if study.test == "open":
            _open_what_is_new(store, planned, runs)
        records = [record for run in runs if (record := store.record(run.run)) is not None]
        failed = sum(record.status != "success" for record in records)
        return Outcome(out, len(missing), len(runs) - len(missing), failed)


def open_test_labels(folder: Path, data: tuple[Path, ...] = ()) -> tuple[int, int]:
    """Open the test labels of every successful run of a study; (runs opened, how often the study has been opened)."""
    store = Store.open(folder)
    with store.holding():
        study = store.study
        folders = [folder / "datasets", *data, *(folder / name for name in study.data)]
        records = [record for record in store.records() if record.status == "success"]
        datasets = {name: _dataset_of(name, folders, records) for name in {record.spec.task for record in records}}
        for record in records:
            open_test(store.run_folder(record.run), record, datasets[record.spec.task], who())
        store.journal.append("test_opened", worker=who())
        return len(records), sum(event.event == "test_opened" for event in store.journal.events())


def _is_done(store: Store, run: PlannedRun, retry_failed: bool) -> bool:
    """A success counts while its files are sound; a failure counts unless it may be retried."""
    record = store.record(run.run)
    if record is None:
        return False
    if record.status == "success":
        return store.is_sound(run.run)
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


def _open_what_is_new(store: Store, planned: Plan, runs: list[PlannedRun]) -> None:
    folders = {run.run: store.run_folder(run.run) for run in runs}
    for run in runs:
        record = store.record(run.run)
        if record is not None and record.status == "success" and read_test(folders[run.run]) is None:
            open_test(folders[run.run], record, planned.datasets[run.spec.task], "run (the study says `test: open`)")


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
