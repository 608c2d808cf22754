"""A study's execution: what is missing is trained, what is finished is left alone, a failure is kept and passed by."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from clinpeft.data.dataset import TaskDataset, find_dataset
from clinpeft.errors import BadInput
from clinpeft.launchers.base import Launcher, Lost
from clinpeft.launchers.local import Local
from clinpeft.prices.rates import Price
from clinpeft.record import Reason, RunRecord
from clinpeft.runs.budget import Purse, breadth_first
from clinpeft.runs.edits import edits
from clinpeft.runs.find import find
from clinpeft.runs.grid import Plan, PlannedRun, may_fit, nothing_fits, only, plan
from clinpeft.runs.halving import is_judged_by, still_holds
from clinpeft.runs.progress import Progress
from clinpeft.runs.store import STUDY, Store
from clinpeft.runs.test_labels import open_test, read_test, who
from clinpeft.runs.tune import Search, have_ended, searches, trials, tuned_runs, winner
from clinpeft.runs.worker import DESK, Place, job_of, place_of, work_off
from clinpeft.spec import Study
from clinpeft.train.energy import EnergyMeter, rated_watts


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
    launcher: Launcher | None = None,
    price: Price | None = None,
    retry_failed: bool = False,
) -> Outcome:
    """Run `study` into the folder `out`: train what has no sound record yet, and open the test labels if it says so.

    base: the folder to which the study's paths are relative; wanted: only runs that fit (task, model, method, seed,
    fold); price: what counts towards a budget of money. Raises BadInput before anything is trained, EnvironmentStop
    when the machine stops it.
    """
    launcher = launcher or Local()
    launcher.ready()
    # Read here for the error only: a run that met it would be recorded as failed.
    rated_watts()
    purse = Purse(study.budget, price, has_energy=EnergyMeter().cost().how != "unavailable")
    store = Store(out)
    if wanted and not may_fit(study, wanted):
        raise nothing_fits()
    found = find(study, base, data, out, wanted=wanted)
    if found.absent:
        print(f"left out, for their files are not here: {', '.join(found.absent)}", file=sys.stderr, flush=True)
    store.refuse_another(study)
    with store.holding():
        planned = plan(found)
        runs = only(planned, wanted) if wanted else list(planned.runs)
        _refuse_shards(launcher, runs)
        found_searches = searches(planned, wanted or {})
        beside = _beside(store, study) if wanted else []
        _tell_of_edits(store, study)
        store.adopt(study)
        store.keep_cards(
            {name: dataset.card for name, dataset in planned.datasets.items()},
            {name: model.card for name, model in planned.models.items()},
        )
        place = place_of(store, planned, base, data)
        stages = _Stages(store, planned, place, launcher, retry_failed, purse, beside)
        with launcher.opened():
            stages.carry_out(breadth_first(runs) if study.budget else runs)
            runs += _tune(stages, found_searches, wanted or {})
        if not stages.trained:
            store.journal.append("noop")
        if study.test == "open":
            _open_what_is_new(store, planned, runs)
        records = [record for run in runs if (record := store.record(run.run)) is not None]
        failed = sum(record.status != "success" for record in records)
        num_trained = len(stages.trained & {run.run for run in runs})
        return Outcome(out, (out,), num_trained, len(runs) - num_trained, failed)


def open_test_labels(folder: Path, data: tuple[Path, ...] = ()) -> tuple[int, int]:
    """Open the test labels of a study's successful runs, as last planned: (runs opened, how often that was done).

    Raises BadInput when the dataset of a task is not found, or is another than its runs were trained on.
    """
    store = Store.open(folder)
    with store.holding():
        folders = [folder / "datasets", *data, *(folder.parent / name for name in store.study.data)]
        planned = [store.record(row["run"]) for row in store.index.rows() if row["role"] != "trial"]
        records = [record for record in planned if record is not None and record.status == "success"]
        datasets = {name: _dataset_of(name, folders, records) for name in {record.spec.task for record in records}}
        store.journal.append("test_opened", worker=who())
        for record in records:
            open_test(store.run_folder(record.run), record, datasets[record.spec.task], who())
        return len(records), sum(event.event == "test_opened" for event in store.journal.events())


def _refuse_shards(launcher: Launcher, runs: Sequence[PlannedRun]) -> None:
    """Of what has no frozen weights."""
    if getattr(launcher, "shard_weights", False) and any(run.spec.method.name == "full" for run in runs):
        raise BadInput(
            "shard_weights",
            "method 'full' trains every weight: none is frozen, to be shared out over processes",
            "run the other methods with it (--only method=NAME), or leave it out",
        )


def _tell_of_edits(store: Store, study: Study) -> None:
    if (store.folder / STUDY).exists() and (edited := edits(store.study, study)):
        print(f"the study was edited since it last ran: {'; '.join(edited)}", file=sys.stderr, flush=True)


def _beside(store: Store, study: Study) -> list[dict[str, str]]:
    """The index so far, where it is of this very study: of trials, and of models that are not here, a part of the study
    knows nothing, and they stay in it."""
    is_same = (store.folder / STUDY).exists() and store.study.sha256() == study.sha256()
    return store.index.rows() if is_same else []


def _is_done(store: Store, run: PlannedRun, planned: Plan, retry_failed: bool) -> bool:
    """A success counts while its files are sound and its epoch was chosen by the task's metric, a trial stopped early
    while the study would stop it there; a failure counts unless it may be retried. A record that cannot be read is
    damaged, and is removed."""
    study, metric = planned.study, planned.metrics[run.spec.task]
    try:
        record = store.record(run.run)
    except BadInput:
        store.forget(run.run)
        return False
    if record is None:
        return False
    if record.status == "success":
        return is_judged_by(metric, record) and store.is_sound(run.run)
    if record.status == "pruned":
        return store.is_sound(run.run) and still_holds(run, store, study, metric)
    return record.status != "interrupted" and not retry_failed


class _Stages:
    """Carries out runs, one set after the other: what a later set holds may follow from what an earlier one gave."""

    def __init__(
        self,
        store: Store,
        planned: Plan,
        place: Place,
        launcher: Launcher,
        retry_failed: bool,
        purse: Purse,
        beside: Sequence[dict[str, str]] = (),
    ) -> None:
        self.store, self.planned, self.place, self.launcher = store, planned, place, launcher
        self.retry_failed, self.purse, self.beside = retry_failed, purse, beside
        if purse.budget is not None:
            purse.add(store.records())
        self.known = {run.run: run for run in planned.runs}
        """All runs so far, by id; the index names them."""
        self.trained: set[str] = set()
        """Ids of those trained now."""
        self._journalled = {event.run for event in store.journal.events() if event.event == "planned"}

    def carry_out(self, runs: Sequence[PlannedRun], what: str = "run") -> None:
        """Train those of `runs` that have no sound record yet."""
        missing = [run for run in runs if not self._is_done(run)]
        self.known |= {run.run: run for run in runs if run.run not in self.known}
        self._note(missing)
        progress = Progress(len(runs), missing, what)
        if missing and not self.is_over():
            self._train(missing, progress)
        if missing and (limit := self.purse.reached()):
            progress.stopped(limit)

    def is_over(self) -> bool:
        """Whether the study's budget is used up."""
        return self.purse.reached() is not None

    def record(self, run: str) -> RunRecord | None:
        """What a run gave, if it has ended."""
        return self.store.record(run)

    def _is_done(self, run: PlannedRun) -> bool:
        return _is_done(self.store, run, self.planned, self.retry_failed)

    def _note(self, missing: Sequence[PlannedRun]) -> None:
        anew = {run.run for run in missing if self.store.has_ended(run.run)}
        new = [run for run in self.known if run not in self._journalled or run in anew]
        if new:
            self.store.journal.append_all("planned", new)
            self._journalled.update(new)
        self.store.index.write(list(self.known.values()), self.beside)

    def _train(self, missing: list[PlannedRun], progress: Progress) -> None:
        jobs = [job_of(run, self.place) for run in missing]
        try:
            with DESK.holding(self.place, self.store, self.planned), closing(self.launcher.map(work_off, jobs)) as ends:
                for ended in ends:
                    run = missing[ended.number]
                    record = _settled(self.store, run, ended.lost)
                    progress.ended(run, record)
                    self.purse.add([record])
                    self.trained.add(run.run)
                    self.store.index.write(list(self.known.values()), self.beside)
                    if self.is_over():
                        break
        finally:
            gc.unfreeze()


def _settled(store: Store, run: PlannedRun, lost: Lost | None) -> RunRecord:
    """The record of a run that has ended; one whose process was lost before it wrote any gets one that says so."""
    if store.has_ended(run.run) and (record := store.record(run.run)) is not None:
        return record
    why = lost or Lost("killed", "its process left no record")
    record = RunRecord(
        run=run.run,
        role=run.role,
        status="out_of_memory" if why.code == "oom_host" else "failed",
        reason=Reason(code=why.code, message=why.message),
        spec=run.spec,
        identity=run.identity,
    )
    return store.commit(run.run, lambda _: record)


def _tune(stages: _Stages, found: Sequence[Search], wanted: Mapping[str, str]) -> list[PlannedRun]:
    """Search, all searches side by side and trial by trial, then train the final runs; those are returned."""
    while True:
        rounds = [list(trials(search, stages.store)) for search in found]
        latest = [run for numbered in rounds for run in numbered[-1]]
        if all(have_ended(search, numbered[-1], stages.store) for search, numbered in zip(found, rounds, strict=True)):
            break
        was_over = stages.is_over()
        stages.carry_out(latest, "trial")  # What the budget leaves out is noted as planned.
        if was_over:
            break
    stages.known |= {run.run: run for numbered in rounds for runs in numbered for run in runs}
    seeds = [seed for seed in stages.planned.study.seeds if wanted.get("seed", str(seed)) == str(seed)]
    best = [(search, winner(search, stages.store)) for search in found]
    final = [run for search, trial in best if trial is not None for run in tuned_runs(search, trial, seeds)]
    final = [run for run in final if run.run not in stages.known]
    if found:
        stages.carry_out(final, "tuned run")
    return final


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
