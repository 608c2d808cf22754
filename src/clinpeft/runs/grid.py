"""From a Study to its runs: everything named is found, checked and written out before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clinpeft.data.build import build_task
from clinpeft.data.dataset import TaskDataset, find_dataset
from clinpeft.data.own import import_task
from clinpeft.errors import BadInput
from clinpeft.methods.base import Method, resolve_method
from clinpeft.metrics.base import METRICS
from clinpeft.models.catalogue import ResolvedModel, resolve
from clinpeft.sources.base import SOURCES
from clinpeft.spec import Identity, MethodSpec, RunSpec, Study, TaskChoice, TrainOptions, run_id
from clinpeft.tasks.base import TASKS

TRAINING_CODE = "1"
"""Raised whenever the same spec, data and weights would train to another result."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study."""

    run: str
    role: Literal["final", "trial", "baseline"]
    spec: RunSpec
    identity: Identity


@dataclass(frozen=True)
class Plan:
    """A study with everything it names at hand."""

    study: Study
    datasets: dict[str, TaskDataset]
    models: dict[str, ResolvedModel]
    runs: tuple[PlannedRun, ...]


def plan(study: Study, base: Path, data: Sequence[Path], out: Path) -> Plan:
    """All runs of `study`, baselines first, then by task, model, method, seed and fold.

    base: the folder of the study's file, to which its paths are relative; data: folders that hold datasets or raw
    releases; out: the study's folder, where datasets that the study builds itself are put.
    Raises BadInput when a name is unknown, a file is missing or broken, or a method cannot serve a model.
    """
    _refuse_what_is_not_there(study)
    methods = [(resolve_method(choice), choice.learning_rate) for choice in study.methods]
    folders = [*data, *(base / folder for folder in study.data)]
    models = {choice.name: resolve(choice, base, data=folders, online=study.online) for choice in study.models}
    _refuse_lengths(study, [method for (method, _), _ in methods], models)
    _refuse_nested(out, folders)
    datasets = {choice.name: _dataset(choice, base, folders, out) for choice in study.tasks}
    for task in study.tasks:
        _refuse_metric(task, datasets[task.name])
        for (method, spec), _ in methods:
            for model in models.values():
                if reason := method.refuses(model.card, datasets[task.name].card.kind):
                    raise BadInput(f"method '{spec.name}' with model '{model.card.name}'", reason)
    runs = [run for task in study.tasks for run in _runs(study, task.name, datasets[task.name], models, methods)]
    return Plan(study, datasets, models, tuple(sorted(runs, key=lambda run: run.role != "baseline")))


def only(runs: Sequence[PlannedRun], wanted: Mapping[str, str]) -> list[PlannedRun]:
    """The runs whose task, model, method, seed or fold are as wanted. Raises BadInput for another key, or no match."""
    for key in wanted:
        if key not in {"task", "model", "method", "seed", "fold"}:
            raise BadInput(f"--only {key}=…", "is not a key of a run", "use task, model, method, seed or fold")
    chosen = [run for run in runs if all(_value(run.spec, key) == value for key, value in wanted.items())]
    if not chosen:
        raise BadInput("--only", "no run of the study fits", "`clinpeft status DIR` names them")
    return chosen


def _value(spec: RunSpec, key: str) -> str:
    return spec.method.name if key == "method" else str(getattr(spec, key))


def _runs(
    study: Study,
    task: str,
    dataset: TaskDataset,
    models: Mapping[str, ResolvedModel],
    methods: Sequence[tuple[tuple[Method, MethodSpec], float | None]],
) -> Iterator[PlannedRun]:
    folds: list[int | None] = list(range(dataset.card.split.folds)) or [None]
    for name in study.baselines:
        for fold in folds:
            spec = _spec(study, task, dataset, "none", MethodSpec(name=name), 1.0, study.seeds[0], fold)
            yield _planned("baseline", spec, dataset, None)
    for model in models.values():
        for (method, method_spec), own_rate in methods:
            rate = own_rate or (
                study.train.learning_rate if study.train.learning_rate != "method" else method.learning_rate
            )
            for seed in study.seeds:
                for fold in folds:
                    spec = _spec(study, task, dataset, model.card.name, method_spec, rate, seed, fold)
                    yield _planned("final", spec, dataset, model.weights_sha256)


def _spec(
    study: Study,
    task: str,
    dataset: TaskDataset,
    model: str,
    method: MethodSpec,
    learning_rate: float,
    seed: int,
    fold: int | None,
) -> RunSpec:
    train = study.train.model_copy(update={"learning_rate": learning_rate})
    return RunSpec(task=task, kind=dataset.card.kind, model=model, method=method, train=train, seed=seed, fold=fold)


def _planned(
    role: Literal["final", "baseline"], spec: RunSpec, dataset: TaskDataset, weights: str | None
) -> PlannedRun:
    if role == "baseline":
        # A baseline has no epochs or rates: only what it is fitted on tells two of them apart.
        spec = spec.model_copy(update={"train": TrainOptions(learning_rate=1.0, subset=spec.train.subset)})
    identity = Identity(dataset=dataset.card.fingerprint, weights_sha256=weights, code=TRAINING_CODE)
    return PlannedRun(run_id(spec, identity), role, spec, identity)


def _dataset(choice: TaskChoice, base: Path, folders: Sequence[Path], out: Path) -> TaskDataset:
    """The dataset as built, or built now: from the task's own files, or from raw files found below a data folder."""
    own = out / "datasets"
    if choice.files is not None:
        return import_task(choice, base, own)
    if (found := find_dataset(choice.name, folders)) is not None:
        dataset = TaskDataset.open(found)
        dataset.verify()
        return dataset
    task = TASKS.get(choice.name)()
    source = SOURCES.get(task.source)()
    raw = next((root for folder in folders if (root := source.find(folder)) is not None), None)
    if raw is None:
        where = ", ".join(str(folder) for folder in folders) or "no folder: none was named"
        raise BadInput(
            f"task '{choice.name}'",
            f"neither its dataset nor raw files of source '{task.source}' were found (in {where})",
            f"`clinpeft build {choice.name} --raw DIR --out DATA`, then --data DATA",
        )
    return build_task(task, choice.name, raw, own)


def _refuse_what_is_not_there(study: Study) -> None:
    """Keys of the schema that this version does not carry out are refused, never ignored."""
    train = study.train
    asked = {
        "tune": study.tune is not None,
        "budget": study.budget is not None,
        "train.privacy": train.privacy is not None,
        "train.long_text": train.long_text in {"sections", "windows"},
        "train.group": isinstance(train.group, int),
        "models.pretrain": any(model.pretrain for model in study.models),
        "mode": study.mode == "paper",
    }
    for key, is_asked in asked.items():
        if is_asked:
            raise BadInput(f"study '{study.name}'", f"'{key}' with this value is not available yet", "leave it out")


def _refuse_lengths(study: Study, methods: Sequence[Method], models: Mapping[str, ResolvedModel]) -> None:
    for model in models.values():
        for method in methods:
            room = model.card.max_positions
            if study.train.max_length > room:
                raise BadInput(
                    "train.max_length",
                    f"model '{model.card.name}' takes at most {room} word pieces",
                    f"set it to {room} or less",
                )
            if study.train.max_length - method.extra_positions() < 8:
                raise BadInput("train.max_length", "leaves no room for the text beside the virtual tokens")


def _refuse_metric(task: TaskChoice, dataset: TaskDataset) -> None:
    name = task.metric or dataset.card.metric
    metric = METRICS.get(name)
    if dataset.card.kind not in metric.kinds:
        fitting = [other for other, entry in METRICS if dataset.card.kind in entry.kinds]
        raise BadInput(
            f"task '{task.name}'",
            f"metric '{name}' is not defined for {dataset.card.kind}",
            f"use {', '.join(fitting)}",
        )


def _refuse_nested(out: Path, folders: Sequence[Path]) -> None:
    place = out.resolve()
    if place == Path(place.anchor) or (place / ".git").exists():
        raise BadInput(f"--out {out}", "is the root folder or a repository", "choose an empty folder for the study")
    for folder in folders:
        if folder.resolve() in {place, *place.parents} and not _is_common_parent(folder):
            raise BadInput(f"--out {out}", "lies inside a data folder", "choose a folder beside it")


def _is_common_parent(folder: Path) -> bool:
    return folder.resolve() == Path.cwd()
