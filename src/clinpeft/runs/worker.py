"""Carrying out a run wherever a launcher takes it: another process, another machine, with the study's folder at hand.

What travels is plain and small (`RunJob`), and nothing comes back: the record lies in the study's folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from clinpeft.data.dataset import TaskDataset
from clinpeft.errors import BadInput
from clinpeft.files import for_owner_only
from clinpeft.frozen import Frozen, fingerprint, parse
from clinpeft.models.catalogue import ResolvedModel, resolve
from clinpeft.runs.grid import Plan, PlannedRun, Rival, planned_run
from clinpeft.runs.store import Store
from clinpeft.spec import RunSpec, Study

Role = Literal["final", "trial", "baseline"]


class Place(Frozen):
    """Where a study lies, and what it reads; every path is absolute."""

    folder: str
    study: str
    """The study's SHA-256, by which its version is found in the folder."""
    base: str
    """To which the study's own paths are relative."""
    data: tuple[str, ...]
    datasets: dict[str, str]
    """The folder of each task's dataset, by the task's name; one below the study's folder is relative to it."""
    models: tuple[str, ...]
    """Those whose files were at hand when it was planned."""


class RunJob(Frozen):
    """One run, as it travels."""

    place: Place
    run: str
    role: Role
    spec: RunSpec
    rivals: tuple[Rival, ...] | None = None
    """Those that a trial is compared with while it trains."""


class Desk:
    """The study that this process works on: its folder and its plan, read when its first run comes."""

    def __init__(self) -> None:
        self._key = ""
        self._study: tuple[Store, Plan] | None = None

    def study(self, place: Place) -> tuple[Store, Plan]:
        """The study at `place`, read anew only where it is another than the last one."""
        key = fingerprint(place)
        if self._study is None or self._key != key:
            self._study, self._key = (Store(Path(place.folder)), _read(place)), key
        return self._study

    @contextmanager
    def holding(self, place: Place, store: Store, plan: Plan) -> Iterator[None]:
        """For runs in the planning process itself: nothing need be read again."""
        self._study, self._key = (store, plan), fingerprint(place)
        try:
            yield
        finally:
            self._study = None


DESK = Desk()


def place_of(store: Store, planned: Plan, base: Path, data: Sequence[Path]) -> Place:
    """What another process needs to find the study of a plan again."""
    folder = store.folder.resolve()
    datasets = {name: dataset.folder.resolve() for name, dataset in planned.datasets.items()}
    return Place(
        folder=str(folder),
        study=planned.study.sha256(),
        base=str(base.resolve()),
        data=tuple(str(path.resolve()) for path in data),
        datasets={
            name: str(path.relative_to(folder) if path.is_relative_to(folder) else path)
            for name, path in datasets.items()
        },
        models=tuple(planned.models),
    )


def job_of(run: PlannedRun, place: Place) -> dict[str, Any]:
    """The job of a run, plain enough for JSON."""
    job = RunJob(place=place, run=run.run, role=run.role, spec=run.spec, rivals=run.rivals)
    plain: dict[str, Any] = job.model_dump(mode="json", by_alias=True)
    return plain


def work_off(job: dict[str, Any]) -> None:
    """Carry out the run of a job; its record lies in the study's folder then.

    Raises BadInput when the folder's study, its data or a model's weights are not those that the run was planned for.
    """
    asked = parse(RunJob, job, "a launcher's job")
    with for_owner_only():
        store, plan = DESK.study(asked.place)
        run = _found_again(asked, plan)
        from clinpeft.runs.work import carry_out

        carry_out((store, run, plan))


def _read(place: Place) -> Plan:
    folder, base = Path(place.folder), Path(place.base)
    study = Study.read(folder / f"study-{place.study[:8]}.yaml")
    if study.sha256() != place.study:
        raise BadInput(str(folder), "its study is another than the one that was planned", "run it again")
    data = [*(Path(path) for path in place.data), *(base / Path(path).expanduser() for path in study.data)]
    datasets = {name: TaskDataset.open(folder / path) for name, path in place.datasets.items()}
    for dataset in datasets.values():
        dataset.verify()
    choices = [choice for choice in study.models if choice.name in place.models]
    models = {choice.name: resolve(choice, base, data=data, online=study.online) for choice in choices}
    metrics = {task.name: task.metric or datasets[task.name].card.metric for task in study.tasks}
    return Plan(study, datasets, models, (), metrics, ())


def _found_again(job: RunJob, plan: Plan) -> PlannedRun:
    """The planned run, its id made anew from what lies here."""
    dataset = plan.datasets.get(job.spec.task)
    model: ResolvedModel | None = plan.models.get(job.spec.model)
    if dataset is not None and (model is not None or job.role == "baseline"):
        run = planned_run(job.role, job.spec, dataset, model.weights_sha256 if model else None)
        if run.run == job.run:
            return replace(run, rivals=job.rivals)
    raise BadInput(
        f"run {job.run}",
        "the data, the weights or the version of clinpeft here are not those that it was planned with",
        "every machine needs the same",
    )
