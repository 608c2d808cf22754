"""What a study asks for and does not have: runs, searches, trials stopped early; each a warning of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from clinpeft.frozen import fingerprint
from clinpeft.report.load import LoadedRun, LoadedStudy
from clinpeft.report.wording import count, listed
from clinpeft.spec import Study


def missing(
    loaded: Sequence[LoadedStudy], runs: Sequence[tuple[LoadedStudy, LoadedRun]], only: Mapping[str, str]
) -> Iterator[str]:
    """Runs without a record; silent where only a part is looked at, as the searches below are."""
    if only:
        return
    specs = [run.record.spec for _, run in runs if run.record.role == "final"]
    have = {(spec.task, spec.model, spec.method.name, spec.seed) for spec in specs}
    for study in (each.study for each in loaded):
        planned = [
            (task.name, model.name, method.name, seed)
            for task in study.tasks
            for model in study.models
            for method in study.methods
            for seed in study.seeds
        ]
        absent = [combination for combination in planned if combination not in have]
        if absent:
            examples = dict.fromkeys(f"{task} · {model} · {method}" for task, model, method, _ in absent)
            yield (
                f"{len(absent)} of the {len(planned)} runs that {study.name} asks for have no record: "
                f"{_why_absent(study)}, or the method does not apply ({listed(examples, 3)})."
            )


def unfinished_searches(loaded: Sequence[LoadedStudy], only: Mapping[str, str]) -> Iterator[str]:
    """Searches that have not had all their trials."""
    if only:
        return
    specs = [run.record.spec for study in loaded for run in study.trials]
    tried = {
        (spec.task, spec.model, spec.method.name, fingerprint([spec.method.model_dump(), spec.train.learning_rate]))
        for spec in specs
    }
    ended = Counter(names[:3] for names in tried)
    for study in (each.study for each in loaded):
        if study.tune is None:
            continue
        asked: Counter[tuple[str, str, str]] = Counter()
        for task, model, method in product(study.tasks, study.models, study.methods):
            asked[task.name, model.name, method.name] += study.tune.trials
        short = [
            f"{' · '.join(names)}: {ended[names]} of {asked[names]}" for names in asked if ended[names] < asked[names]
        ]
        if short:
            yield (
                f"{len(short)} of the {len(asked)} searches of {study.name} have not had all their trials: "
                f"{_why_absent(study)}. They chose nothing ({listed(short, 3)})."
            )


def stopped_early(runs: Sequence[tuple[LoadedStudy, LoadedRun]]) -> Iterator[str]:
    """Trials that successive halving stopped."""
    trials = [run.record.status for _, run in runs if run.record.role == "trial"]
    if number := trials.count("pruned"):
        yield (
            f"{number} of {count(len(trials), 'trial')} were stopped early by successive halving: each was behind the "
            "earlier ones of its search. They chose nothing; trained to the end, one might have come from behind."
        )


def _why_absent(study: Study) -> str:
    return "left out by its budget, or not run yet" if study.budget else "not run yet"
