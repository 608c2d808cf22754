"""From a Study to its runs, each with every default written out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from clinpeft.data.dataset import TaskDataset
from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen
from clinpeft.models.catalogue import ModelCard, ResolvedModel
from clinpeft.runs.find import Found, FoundMethod
from clinpeft.spec import ENCODER_BASELINE, Identity, MethodSpec, RunSpec, Study, Subset, TrainOptions, run_id

TRAINING_CODE = "2"
"""Raised whenever the same spec, data and weights would train to another result."""
KEYS = ("task", "model", "method", "seed", "fold")
"""What `--only` may name of a run."""
READ_BY = {"subset", "max_length", "long_text", "precision", "threads"}
"""The training options that say what an untuned encoder reads, and how."""


class Rival(Frozen):
    """An earlier trial of a search."""

    scores: tuple[float | None, ...]
    """Of its judgements, more being better; null where the metric was undefined."""
    is_whole: bool
    """Whether it has ended by itself; then its best counts to the end."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study."""

    run: str
    role: Literal["final", "trial", "baseline"]
    spec: RunSpec
    identity: Identity
    rivals: tuple[Rival, ...] | None = None
    """Those that a trial is compared with while it trains (runs/halving.py); no part of its identity."""


@dataclass(frozen=True)
class Plan:
    """A study with everything it names at hand."""

    study: Study
    datasets: dict[str, TaskDataset]
    models: dict[str, ResolvedModel]
    methods: tuple[FoundMethod, ...]
    metrics: dict[str, str]
    """The headline metric of each task, which picks a run's best epoch."""
    runs: tuple[PlannedRun, ...]
    """All that are known before anything is trained; what a search finds (runs/tune.py) comes later."""


def plan(found: Found) -> Plan:
    """All runs of a study, baselines first, then by task, model, method, seed and fold; builds what datasets it lacks.

    Raises BadInput when a file that a dataset is built from breaks a rule.
    """
    datasets = {name: task.dataset() for name, task in found.tasks.items()}
    metrics = {task.name: task.metric or datasets[task.name].card.metric for task in found.study.tasks}
    runs = [run for name, dataset in datasets.items() for run in _runs(found, name, dataset)]
    ordered = sorted(runs, key=lambda run: run.role != "baseline")
    return Plan(found.study, datasets, found.models, found.methods, metrics, tuple(ordered))


def may_fit(study: Study, wanted: Mapping[str, str]) -> bool:
    """Whether a run of `study` can be as wanted, as far as names tell. Raises BadInput for a key not in KEYS."""
    names = {
        "task": {task.name for task in study.tasks},
        "model": {"none", *(model.name for model in study.models)},
        "method": {*study.baselines, *(method.name for method in study.methods)},
        "seed": {str(seed) for seed in study.seeds},
    }
    for key in wanted:
        if key not in KEYS:
            raise BadInput(f"--only {key}=…", "is not a key of a run", f"use one of {', '.join(KEYS)}")
    return all(key not in names or value in names[key] for key, value in wanted.items())


def only(plan: Plan, wanted: Mapping[str, str]) -> list[PlannedRun]:
    """The runs whose task, model, method, seed or fold are as wanted. Raises BadInput for another key, or no match."""
    if not may_fit(plan.study, wanted):
        raise nothing_fits()
    chosen = [run for run in plan.runs if all(_value(run.spec, key) == value for key, value in wanted.items())]
    if not chosen:
        raise nothing_fits()
    return chosen


def nothing_fits() -> BadInput:
    """What to raise when no run is as wanted."""
    return BadInput("--only", "no run of the study fits", "`clinpeft status DIR` names them")


def default_rate(study: Study, method: FoundMethod, card: ModelCard) -> float:
    """The learning rate of adapter or backbone: the study's for this method, or for all, or the method's own."""
    rate = method.own_rate or study.train_of(card.name).learning_rate
    return method.method.rate_for(card) if rate == "method" else rate


def folds_of(dataset: TaskDataset) -> list[int | None]:
    """The folds of a dataset; one None where it has fixed splits."""
    return list(range(dataset.card.split.folds)) or [None]


def subsets_of(study: Study) -> tuple[Subset | None, ...]:
    """What of train the runs of a study see; one None where it is all."""
    return study.subsets or (study.train.subset,)


def run_spec(
    study: Study,
    task: str,
    dataset: TaskDataset,
    model: str,
    method: MethodSpec,
    learning_rate: float,
    seed: int,
    fold: int | None,
    subset: Subset | None,
) -> RunSpec:
    """A run of `study` with every default written out."""
    train = study.train_of(model).model_copy(update={"learning_rate": learning_rate, "subset": subset})
    if train.head_learning_rate == "backbone":
        train = train.model_copy(update={"head_learning_rate": learning_rate})
    validation = next((choice.validation for choice in study.tasks if choice.name == task), None)
    return RunSpec(
        task=task,
        kind=dataset.card.kind,
        model=model,
        method=method,
        train=train,
        seed=seed,
        fold=fold,
        validation=validation,
    )


def planned_run(
    role: Literal["final", "trial", "baseline"], spec: RunSpec, dataset: TaskDataset, weights: str | None
) -> PlannedRun:
    """A run under its id; weights: SHA-256 of the base model's, None where none is used."""
    if role == "baseline":
        # A baseline has no epochs or rates: only what it is fitted on, and reads, tells two of them apart.
        kept = {"subset"} if weights is None else READ_BY
        train = TrainOptions(learning_rate=1.0).model_copy(update={key: getattr(spec.train, key) for key in kept})
        spec = spec.model_copy(update={"train": train})
    identity = Identity(dataset=dataset.card.fingerprint, weights_sha256=weights, code=TRAINING_CODE)
    return PlannedRun(run_id(spec, identity), role, spec, identity)


def as_frozen(spec: RunSpec) -> RunSpec:
    """The run that reads as this baseline does: its head alone would train."""
    return spec.model_copy(update={"method": MethodSpec(name="head-only")})


def _value(spec: RunSpec, key: str) -> str:
    return spec.method.name if key == "method" else str(getattr(spec, key))


def _runs(found: Found, task: str, dataset: TaskDataset) -> Iterator[PlannedRun]:
    study = found.study
    folds, subsets = folds_of(dataset), subsets_of(study)
    for name, fold, subset in product(study.baselines, folds, subsets):
        readers: Iterable[ResolvedModel | None] = found.models.values() if name == ENCODER_BASELINE else (None,)
        for reader in readers:
            name_read, weights = (reader.card.name, reader.weights_sha256) if reader else ("none", None)
            spec = run_spec(study, task, dataset, name_read, MethodSpec(name=name), 1.0, study.seeds[0], fold, subset)
            yield planned_run("baseline", spec, dataset, weights)
    for model, method, subset, seed, fold in product(found.models.values(), found.methods, subsets, study.seeds, folds):
        rate = default_rate(study, method, model.card)
        spec = run_spec(study, task, dataset, model.card.name, method.spec, rate, seed, fold, subset)
        yield planned_run("final", spec, dataset, model.weights_sha256)
