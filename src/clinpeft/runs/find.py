"""Everything that a Study names, found and checked before anything is built, written or trained."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clinpeft.data.build import build_task
from clinpeft.data.dataset import TaskDataset, find_dataset
from clinpeft.data.own import import_task, own_files
from clinpeft.errors import BadInput, UnknownName
from clinpeft.methods.base import Method, resolve_method
from clinpeft.metrics.base import METRICS
from clinpeft.models.catalogue import ResolvedModel, resolve, seen_by
from clinpeft.sources.base import SOURCES
from clinpeft.spec import Kind, MethodSpec, Mode, Study, TaskChoice
from clinpeft.tasks.base import TASKS


@dataclass(frozen=True)
class FoundMethod:
    """A method with its options, and the study's own learning rate for it if it gives one."""

    method: Method
    spec: MethodSpec
    own_rate: float | None


@dataclass(frozen=True)
class FoundTask:
    """Where a task's dataset is, or what it will be built from."""

    kind: Kind
    places: tuple[Path, ...]
    """The dataset's folder, the raw folder, or the files of one's own (folders, for documents)."""
    dataset: Callable[[], TaskDataset]
    """Opens or builds the dataset; raises BadInput when a file breaks a rule."""


@dataclass(frozen=True)
class Found:
    """A study and what it names."""

    study: Study
    tasks: dict[str, FoundTask]
    models: dict[str, ResolvedModel]
    """Those of the study whose files are at hand: all, where all are asked for."""
    methods: tuple[FoundMethod, ...]

    @property
    def absent(self) -> list[str]:
        """Models of the study that nobody asked for, and whose files are not here."""
        return [choice.name for choice in self.study.models if choice.name not in self.models]


def find(
    study: Study,
    base: Path,
    data: Sequence[Path],
    out: Path,
    model_of: Callable[..., ResolvedModel] = resolve,
    wanted: Mapping[str, str] | None = None,
) -> Found:
    """What `study` names, as far as it can be known without building a dataset; nothing is written.

    base: the folder of the study's file, to which its paths are relative; data: folders that hold datasets or raw
    releases, searched before the study's own; out: the study's folder, where datasets that it builds itself will lie;
    model_of: finds a model's files; a plan is content without the weights; wanted: which runs are asked for
    (`--only`): a model that is not needs no files.
    Raises BadInput when a name is unknown, a file is missing, a method cannot serve a model, or `out` is no place for
    a study; GateRefused when a built dataset has changed since.
    """
    _refuse_what_is_not_there(study)
    methods = tuple(FoundMethod(*resolve_method(choice), choice.learning_rate) for choice in study.methods)
    folders = [*data, *(base / Path(folder).expanduser() for folder in study.data)]
    _refuse_missing(folders)
    models = _models(study, base, folders, model_of, (wanted or {}).get("model"))
    _refuse_lengths(study, methods, models)
    tasks = {choice.name: _task(choice, base, folders, out, study.mode) for choice in study.tasks}
    for choice in study.tasks:
        _refuse_metric(choice, tasks[choice.name].kind)
        _refuse_methods(methods, models, tasks[choice.name].kind)
    inputs = [place for task in tasks.values() for place in task.places] + [model.folder for model in models.values()]
    _refuse_place(out, folders, inputs)
    return Found(study, tasks, models, methods)


def _models(
    study: Study, base: Path, folders: Sequence[Path], model_of: Callable[..., ResolvedModel], wanted: str | None
) -> dict[str, ResolvedModel]:
    """All, or the one that is asked for and those beside it whose files happen to be here."""
    found = {}
    for choice in study.models:
        try:
            found[choice.name] = model_of(choice, base, data=folders, online=study.online)
        except UnknownName:
            raise
        except BadInput:
            if wanted in (None, choice.name):
                raise
    return found


def _task(choice: TaskChoice, base: Path, folders: Sequence[Path], out: Path, mode: Mode) -> FoundTask:
    """A task of one's own, a dataset as built, raw files found below a data folder, or what an earlier run built.

    In paper mode a task that has one must be built in it; else a dataset that is not comes first.
    """
    own = out / "datasets"
    if choice.files is not None and choice.kind is not None:
        files = tuple(own_files(choice, base).values())
        return FoundTask(choice.kind, files, partial(import_task, choice, base, own))
    wanted = _wanted_mode(choice.name, mode)
    if (built := _dataset(choice.name, folders, wanted)) is not None:
        return _built(built)
    task = TASKS.get(choice.name)(**({"mode": "paper"} if wanted == "paper" else {}))
    source = SOURCES.get(task.source)()
    raw = next((root for folder in folders if (root := source.find(folder)) is not None), None)
    if raw is not None:
        build = partial(build_task, task, choice.name, raw, own, seen_by=seen_by(task.source))
        return FoundTask(task.kind_built(), (raw,), build)
    if (built := _dataset(choice.name, [own], wanted)) is not None:
        return _built(built)
    compat = " --compat paper" if wanted == "paper" else ""
    where = ", ".join(str(folder) for folder in folders) or "no folder: none was named"
    raise BadInput(
        f"task '{choice.name}'",
        f"neither its dataset{' in paper mode' if compat else ''} nor raw files of source '{task.source}' were found "
        f"(in {where})",
        f"`clinpeft build {choice.name} --raw DIR --out DATA{compat}`, then --data DATA",
    )


def _wanted_mode(name: str, mode: Mode) -> Mode | None:
    """`paper` for a task of a paper-mode study that has one; None where nothing depends on it."""
    if name not in TASKS or not TASKS.get(name).has_paper_mode:
        return None
    return mode


def _dataset(name: str, folders: Sequence[Path], wanted: Mode | None) -> Path | None:
    """Where a dataset lies that is built as wanted; in a fair study also one that is not, where there is no other."""
    every = [found for folder in folders if (found := find_dataset(name, [folder])) is not None]
    fitting = [
        path for path in every if wanted is None or (TaskDataset.open(path).card.mode == "paper") == (wanted == "paper")
    ]
    return next(iter(fitting if wanted == "paper" else [*fitting, *every]), None)


def _built(folder: Path) -> FoundTask:
    dataset = TaskDataset.open(folder)
    dataset.verify()
    return FoundTask(dataset.card.kind, (folder,), lambda: dataset)


def _refuse_what_is_not_there(study: Study) -> None:
    """Keys of the schema that this version does not carry out are refused, never ignored."""
    train = study.train
    asked = {
        "train.privacy": train.privacy is not None,
        "train.group": isinstance(train.group, int),
        "models.pretrain": any(model.pretrain for model in study.models),
        "keep": study.keep == "selected",
    }
    for key, is_asked in asked.items():
        if is_asked:
            raise BadInput(f"study '{study.name}'", f"'{key}' with this value is not available yet", "leave it out")


def _refuse_missing(folders: Sequence[Path]) -> None:
    for folder in folders:
        if not folder.is_dir():
            rule = "is not a folder" if folder.exists() else "is not there"
            raise BadInput(f"data folder {folder}", rule, "a study's `data:` is relative to its file, --data to here")


def _refuse_lengths(study: Study, methods: Sequence[FoundMethod], models: dict[str, ResolvedModel]) -> None:
    for model in models.values():
        length, room = study.train_of(model.card.name).max_length, model.card.max_positions
        if length > room:
            raise BadInput(
                "train.max_length",
                f"model '{model.card.name}' takes at most {room} word pieces",
                f"set it to {room} or less",
            )
    for found in methods:
        length = min(study.train_of(choice.name).max_length for choice in study.models)
        extra = found.method.extra_positions()
        if length - extra < 8:
            raise BadInput(
                "train.max_length",
                f"leaves no room for the text beside the virtual tokens of method '{found.spec.name}'",
                f"set it to {extra + 8} or more",
            )


def _refuse_metric(choice: TaskChoice, kind: Kind) -> None:
    if choice.metric is None or kind in METRICS.get(choice.metric).kinds:
        return
    fitting = [name for name, entry in METRICS if kind in entry.kinds]
    raise BadInput(
        f"task '{choice.name}'", f"metric '{choice.metric}' is not defined for {kind}", f"use {', '.join(fitting)}"
    )


def _refuse_methods(methods: Sequence[FoundMethod], models: dict[str, ResolvedModel], kind: Kind) -> None:
    for found in methods:
        for model in models.values():
            if reason := found.method.refuses(model.card, kind):
                raise BadInput(f"method '{found.spec.name}' with model '{model.card.name}'", reason)


def _refuse_place(out: Path, folders: Sequence[Path], inputs: Sequence[Path]) -> None:
    """A study writes into a folder of its own, never among what it reads."""
    place = out.resolve()
    where = f"--out {out}"
    if place == Path(place.anchor) or (place / ".git").exists():
        raise BadInput(where, "is the root folder or a repository", "choose an empty folder for the study")
    if not next(path for path in (place, *place.parents) if path.exists()).is_dir():
        raise BadInput(where, "is a file, or below one", "choose a folder")
    if outer := next((folder for folder in place.parents if (folder / "journal.jsonl").exists()), None):
        raise BadInput(where, f"lies inside another study's folder ({outer.name})", "choose a folder beside it")
    here = Path.cwd()
    # The working directory is where everything lies, the study's folder too; no folder is kept apart from it.
    apart = [folder.resolve() for folder in folders if folder.resolve() != here]
    for folder in [*apart, *(Path(os.path.realpath(path)) for path in inputs)]:
        if folder.is_dir() and folder in {place, *place.parents}:
            raise BadInput(where, f"lies inside a folder that the study reads ({folder.name})", "choose one beside it")
