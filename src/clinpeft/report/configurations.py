"""Configurations: runs that differ in nothing but seed and fold, and are therefore averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clinpeft.data.card import Card
from clinpeft.errors import BadInput, UnknownName, did_you_mean
from clinpeft.frozen import fingerprint
from clinpeft.report.load import LoadedRun, LoadedStudy, ModelFacts
from clinpeft.spec import RunSpec, Scalar

FILTERS = ("task", "model", "method", "seed", "fold")


@dataclass(frozen=True)
class Configuration:
    """One task, model, method with options, training options, dataset and weights; at least one run of it."""

    study: LoadedStudy
    """The first study that holds a run of it."""
    runs: tuple[LoadedRun, ...]
    """By seed, then fold; final and baseline runs, whatever came of them."""
    options: dict[str, Scalar]
    """The method's options, the learning rate, and what else differs between configurations of the same name."""
    headline: str
    """The metric that the task is judged by."""
    is_tuned: bool = False
    """Whether its rate and options are those that the study's search chose; they may be the defaults."""

    @property
    def spec(self) -> RunSpec:
        """What all its runs share; seed and fold are the first run's."""
        return self.runs[0].record.spec

    @property
    def card(self) -> Card | None:
        """Of the dataset that the runs were made on, if the study kept it."""
        card = self.study.cards.get(self.spec.task)
        return card if card and card.fingerprint == self.runs[0].record.identity.dataset else None

    @property
    def facts(self) -> ModelFacts | None:
        """Of the model, if the study kept them."""
        return self.study.models.get(self.spec.model)

    @property
    def seeds(self) -> list[int]:
        """Of its runs, ascending."""
        return sorted({run.record.spec.seed for run in self.runs})

    @property
    def num_folds(self) -> int:
        """Folds that a seed needs for its value; 0 without cross-validation."""
        folds = [run.record.spec.fold for run in self.runs if run.record.spec.fold is not None]
        planned = self.card.split.folds if self.card else 0
        return max(planned, max(folds) + 1) if folds else 0

    def successes(self, seed: int | None = None) -> list[LoadedRun]:
        """Its successful runs, of all seeds or of one."""
        return [run for run in self.runs if run.record.status == "success" and seed in (None, run.record.spec.seed)]


def selected(loaded: Sequence[LoadedStudy], only: Mapping[str, str]) -> list[tuple[LoadedStudy, LoadedRun]]:
    """All runs, trials too, that match `only` (`{"task": "rqe", "seed": "1"}`), each with its study.

    Raises BadInput for a key that is none of FILTERS, and when runs exist but none matches.
    """
    for key in only:
        if key not in FILTERS:
            near = did_you_mean(key, list(FILTERS))
            raise BadInput(f"--only {key}=…", "is no filter", near or f"known are {', '.join(FILTERS)}")
    runs = [(study, run) for study in loaded for run in study.runs]
    matching = [(study, run) for study, run in runs if all(_has(run, key, only[key]) for key in only)]
    if runs and not matching:
        wanted = " ".join(f"{key}={value}" for key, value in only.items())
        raise BadInput(f"--only {wanted}", "no run matches", "`clinpeft status DIR` lists them")
    return matching


def configurations(runs: Sequence[tuple[LoadedStudy, LoadedRun]]) -> list[Configuration]:
    """The final and baseline runs, gathered; in the order of the first study's tasks, baselines first, then by name."""
    groups: dict[str, list[tuple[LoadedStudy, LoadedRun]]] = defaultdict(list)
    for study, run in runs:
        if run.record.role != "trial":
            groups[_key(run)].append((study, run))
    distinct = _distinctions([members[0][1] for members in groups.values()])
    headlines = _headlines(runs)
    studies = {study.folder: study for study, _ in runs}
    chosen = {key for study in studies.values() for key in _chosen(study, headlines)}
    found = [
        Configuration(
            study=members[0][0],
            runs=tuple(run for _, run in sorted(members, key=lambda member: _seed_and_fold(member[1]))),
            options=_options(members[0][1], distinct[_name(members[0][1].record.spec)]),
            headline=headlines[members[0][1].record.spec.task],
            is_tuned=key in chosen,
        )
        for key, members in groups.items()
    ]
    tasks = list(dict.fromkeys(task.name for study, _ in runs for task in study.study.tasks))
    return sorted(found, key=lambda configuration: _place(configuration, tasks))


def _has(run: LoadedRun, key: str, value: str) -> bool:
    spec = run.record.spec
    return value == (spec.method.name if key == "method" else str(getattr(spec, key)))


def _key(run: LoadedRun) -> str:
    shared = run.record.spec.model_dump(
        mode="json", exclude={"seed": True, "fold": True, "train": {"threads", "group"}}
    )
    return fingerprint({"spec": shared, "identity": run.record.identity.model_dump(mode="json")})


def _name(spec: RunSpec) -> tuple[str, str, str]:
    return spec.task, spec.model, spec.method.name


def _seed_and_fold(run: LoadedRun) -> tuple[int, int]:
    return run.record.spec.seed, run.record.spec.fold or 0


def _distinctions(runs: Sequence[LoadedRun]) -> dict[tuple[str, str, str], set[str]]:
    """For each (task, model, method), the keys of `_everything` in which its configurations differ."""
    groups: dict[tuple[str, str, str], list[dict[str, Scalar]]] = defaultdict(list)
    for run in runs:
        groups[_name(run.record.spec)].append(_everything(run))
    return {
        name: {key for group in members for key in group if any(other.get(key) != group[key] for other in members)}
        for name, members in groups.items()
    }


def _options(run: LoadedRun, distinct: set[str]) -> dict[str, Scalar]:
    spec = run.record.spec
    rate = {} if spec.is_baseline else {"learning_rate": spec.train.learning_rate}
    extra = {key: value for key, value in _everything(run).items() if key in distinct}
    return {**spec.method.options, **rate, **extra}


def _everything(run: LoadedRun) -> dict[str, Scalar]:
    """What can tell a run from another of its name, flat, beside method options, learning rate and subset."""
    outside = {"learning_rate", "subset", "threads", "group"}
    train: dict[str, Any] = run.record.spec.train.model_dump(mode="json", exclude=outside)
    privacy, judge = train.pop("privacy") or {}, train.pop("judge") or {}
    validation = run.record.spec.validation
    identity = run.record.identity
    return {
        **{f"train.{key}": value for key, value in train.items()},
        **{f"train.privacy.{key}": value for key, value in privacy.items()},
        **{f"train.judge.{key}": value for key, value in judge.items()},
        **({f"validation.{key}": value for key, value in validation.model_dump().items()} if validation else {}),
        "dataset": identity.dataset[:8],
        "weights": identity.weights_sha256 and identity.weights_sha256[:8],
        "code": identity.code,
    }


def _headlines(runs: Sequence[tuple[LoadedStudy, LoadedRun]]) -> dict[str, str]:
    """The headline metric of each task: the study's choice, else the card's, else the first that was scored."""
    scored: dict[str, list[str]] = defaultdict(list)
    wanted: dict[str, list[str | None]] = defaultdict(list)
    for study, run in runs:
        task = run.record.spec.task
        scored[task] += run.record.scores
        card = study.cards.get(task)
        own = [choice.metric for choice in study.study.tasks if choice.name == task]
        wanted[task] += [study.study.select.metric, *own, card.metric if card else None]
    return {
        task: next(
            (name for name in wanted[task] if name and (name in names or not names)), next(iter(names), "unknown")
        )
        for task, names in scored.items()
    }


def _chosen(study: LoadedStudy, headlines: Mapping[str, str]) -> Iterator[str]:
    """The keys of the best trials of the study's searches, by the mean over folds; of a search that has not had all its
    trials, none."""
    if study.study.tune is None:
        return
    searches: dict[str, dict[str, list[LoadedRun]]] = defaultdict(lambda: defaultdict(list))
    for run in study.trials:
        searches[_search(run.record.spec, has_options=study.study.tune.options)][_key(run)].append(run)
    for trials in searches.values():
        if len(trials) < study.study.tune.trials:
            continue
        values = {key: _value(members, headlines) for key, members in trials.items()}
        best = max((value for value in values.values() if value is not None), default=None)
        yield from (key for key, value in values.items() if value is not None and value == best)


def _search(spec: RunSpec, *, has_options: bool) -> str:
    """What all trials of a search share: its task, model, subset, and of its method what is not searched."""
    from clinpeft.methods.base import METHODS

    searched: Collection[str]
    try:
        searched = METHODS.get(spec.method.name).tunable if has_options else {}
    except UnknownName:  # a plug-in's method in an environment without the plug-in
        searched = spec.method.options
    fixed = {name: value for name, value in spec.method.options.items() if name not in searched}
    return fingerprint([*_name(spec), fixed, spec.train.subset and spec.train.subset.model_dump(mode="json")])


def _value(folds: Sequence[LoadedRun], headlines: Mapping[str, str]) -> float | None:
    """How good a trial was, more being better; None when a fold failed, was stopped early or has no score."""
    headline = headlines.get(folds[0].record.spec.task, "")
    scores = [run.record.scores.get(headline) for run in folds if run.record.status == "success"]
    values = [score.value for score in scores if score is not None and score.value is not None]
    if len(values) < len(folds):
        return None
    return fmean(values) if is_higher_better(headline) else -fmean(values)


def is_higher_better(metric: str) -> bool:
    """Which way a metric counts; up for one that is not known here."""
    from clinpeft.metrics.base import METRICS

    try:
        return METRICS.get(metric).higher_is_better
    except UnknownName:  # a plug-in's metric in an environment without the plug-in; `caveats` says so
        return True


def _place(configuration: Configuration, tasks: list[str]) -> tuple[int, str, bool, bool, str, str, str]:
    spec = configuration.spec
    task = tasks.index(spec.task) if spec.task in tasks else len(tasks)
    subset = fingerprint(spec.train.subset) if spec.train.subset else ""
    rest = fingerprint([configuration.options, subset])
    return task, spec.task, not spec.is_baseline, spec.model != "none", spec.model, spec.method.name, rest
