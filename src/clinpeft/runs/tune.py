"""The search for a learning rate: as many trials for every method, over one range, judged on validation only.

A trial is a run like any other, under an id made from its spec. What the search knows is what the trials' records say,
so a search that was cut off goes on where it was, and a second look at a finished one trains nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from clinpeft.data.dataset import TaskDataset
from clinpeft.errors import BadInput
from clinpeft.frozen import fingerprint
from clinpeft.metrics.base import METRICS
from clinpeft.models.catalogue import ResolvedModel
from clinpeft.record import RunRecord
from clinpeft.runs.find import FoundMethod
from clinpeft.runs.grid import Plan, PlannedRun, Rival, default_rate, folds_of, planned_run, run_spec, subsets_of
from clinpeft.runs.halving import reached, rival_of, still_holds
from clinpeft.runs.store import Store
from clinpeft.spec import MethodSpec, Scalar, Subset, Tune

if TYPE_CHECKING:
    import optuna

RATES = (1e-5, 1e-1)
"""The range of learning rates where a study names none: from full fine-tuning of large models to prompt tuning."""
RATE = "learning_rate"
TRIAL_SEED = 2**32 - 1
"""Of every trial. No final run has it, so none is chosen for its luck."""


@dataclass(frozen=True)
class Trial:
    """A trial that has ended."""

    chosen: dict[str, Scalar]
    value: float | None
    """More being better; None when a run failed, was pruned or has no score."""
    records: tuple[RunRecord, ...]
    """One a fold."""
    reached: dict[int, float]
    """Where it was stopped early: after how many judgements, and its best until then. The sampler learns from it."""


@dataclass(frozen=True)
class Search:
    """One task, model and method, whose rate (and tunable options) are searched."""

    task: str
    dataset: TaskDataset
    metric: str
    """Of validation; what a trial is judged by."""
    model: ResolvedModel
    method: FoundMethod
    plan: Plan
    subset: Subset | None = None
    """Of train; each of a study's subsets has a search of its own."""

    @property
    def budget(self) -> Tune:
        """What the study says of it."""
        assert self.plan.study.tune is not None
        return self.plan.study.tune

    @property
    def searched(self) -> Mapping[str, tuple[float, float, str]]:
        """Range and scale of the method's options that are searched beside its rate."""
        return self.method.method.tunable if self.budget.options else {}

    def value(self, records: Sequence[RunRecord]) -> float | None:
        """How good a trial was, more being better: the mean over its folds; None when one failed or has no score."""
        scores = [record.scores.get(self.metric) for record in records if record.status == "success"]
        values = [score.value for score in scores if score is not None and score.value is not None]
        if len(values) < len(records):
            return None
        return fmean(values) if METRICS.get(self.metric).higher_is_better else -fmean(values)

    def rivals(self, ended: Sequence[Trial], store: Store) -> tuple[Rival, ...] | None:
        """What a trial after these is compared with; None where all are trained to their end."""
        if self.budget.halving is None:
            return None
        rivals = [rival_of(record, store, self.metric) for trial in ended for record in trial.records]
        return tuple(rival for rival in rivals if rival is not None)

    def runs(self, chosen: Mapping[str, Scalar], seed: int, role: Literal["trial", "final"]) -> list[PlannedRun]:
        """With these values of rate and options, one run a fold."""
        options = {**self.method.spec.options, **{name: value for name, value in chosen.items() if name != RATE}}
        method, rate = MethodSpec(name=self.method.spec.name, options=options), float(chosen[RATE] or 0)
        study, model = self.plan.study, self.model.card.name
        specs = [
            run_spec(study, self.task, self.dataset, model, method, rate, seed, fold, self.subset)
            for fold in folds_of(self.dataset)
        ]
        return [planned_run(role, spec, self.dataset, self.model.weights_sha256) for spec in specs]


def searches(plan: Plan, wanted: Mapping[str, str]) -> list[Search]:
    """One search a task, model and method that fits `wanted`; none where the study does not tune.

    Raises BadInput when Optuna is missing, a seed of the study is kept for trials, or its trials cannot be halved.
    """
    if plan.study.tune is None:
        return []
    _need_optuna()
    if TRIAL_SEED in plan.study.seeds:
        raise BadInput("seeds", f"{TRIAL_SEED} is the seed of trials", "use another")
    found = []
    for (task, dataset), model, method in product(plan.datasets.items(), plan.models.values(), plan.methods):
        names = {"task": task, "model": model.card.name, "method": method.spec.name}
        if all(names.get(key, value) == value for key, value in wanted.items()):
            found += [
                Search(task, dataset, plan.metrics[task], model, method, plan, subset)
                for subset in subsets_of(plan.study)
            ]
    if plan.study.tune.halving is not None:
        _refuse_what_cannot_be_halved(found)
    return found


def have_ended(search: Search, runs: Sequence[PlannedRun], store: Store) -> bool:
    """Whether the runs of a trial have records that count: of one pruned by other rules than today's none does."""
    return _records(search, runs, store) is not None


def trials(search: Search, store: Store) -> Iterator[list[PlannedRun]]:
    """The runs of each trial that has ended, and of the next one; of all when the search is over.

    Which comes next follows from the records of those before it, and from nothing else.
    """
    ended: list[Trial] = []
    first: dict[str, PlannedRun] = {}
    for number in range(search.budget.trials):
        chosen, rivals = _suggest(search, number, ended), search.rivals(ended, store)
        runs = [replace(run, rivals=rivals) for run in search.runs(chosen, TRIAL_SEED, "trial")]
        # Of two trials with the same values the second is the first, compared with what that was compared with.
        runs = [first.setdefault(run.run, run) for run in runs]
        yield runs
        records = _records(search, runs, store)
        if records is None:
            return
        ended.append(Trial(chosen, search.value(records), tuple(records), reached(records, store)))


def winner(search: Search, store: Store) -> PlannedRun | None:
    """A run of the best trial of a search that is over; None while it is not, or when no trial has a score.

    Of equals the earlier counts.
    """
    scored = []
    for runs in trials(search, store):
        records = _records(search, runs, store)
        if records is None:
            return None
        if (value := search.value(records)) is not None:
            scored.append((value, runs[0]))
    return max(scored, key=lambda item: item[0])[1] if scored else None


def tuned_runs(search: Search, best: PlannedRun, seeds: Sequence[int]) -> list[PlannedRun]:
    """The final runs with the values of the best trial, for each seed (and fold)."""
    chosen = {**best.spec.method.options, RATE: best.spec.train.learning_rate}
    return [run for seed in seeds for run in search.runs(chosen, seed, "final")]


def _records(search: Search, runs: Sequence[PlannedRun], store: Store) -> list[RunRecord] | None:
    """Of all of them; None while one is missing."""
    found = [(run, store.record(run.run)) for run in runs]
    records = [record for run, record in found if record and _counts(search, run, record, store)]
    return records if len(records) == len(runs) else None


def _counts(search: Search, run: PlannedRun, record: RunRecord, store: Store) -> bool:
    """What trials are compared with must be as it was, and a decision one that the study would make again."""
    if search.budget.halving is not None and not store.is_sound(run.run):
        return False
    return record.status != "pruned" or still_holds(run, store, search.plan.study, search.metric)


def _suggest(search: Search, number: int, ended: Sequence[Trial]) -> dict[str, Scalar]:
    """The values of trial `number`: first the defaults, then a few at random, then where better ones are likely.

    The random ones are the same for every method, so that none draws luckier ones.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ranges = _ranges(search)
    if number == 0:
        return _defaults(search, ranges)
    num_random = max(2, search.budget.trials // 2)
    sampler = optuna.samplers.TPESampler(seed=number, n_startup_trials=num_random)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in ended:
        state = optuna.trial.TrialState.PRUNED if trial.value is None else optuna.trial.TrialState.COMPLETE
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=trial.value,
                params=trial.chosen,
                distributions=ranges,
                intermediate_values=trial.reached,
            )
        )
    params: dict[str, Scalar] = study.ask(ranges).params
    return params


def _ranges(search: Search) -> dict[str, optuna.distributions.BaseDistribution]:
    """The learning rate's range, the same for every method, and those of the options that are searched."""
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

    low, high = search.budget.learning_rate or RATES
    ranges: dict[str, BaseDistribution] = {RATE: FloatDistribution(low, high, log=True)}
    fields: Any = type(search.method.method).model_fields
    for name, (low, high, scale) in search.searched.items():
        if fields[name].annotation is int:
            ranges[name] = IntDistribution(int(low), int(high), log=scale == "log")
        else:
            ranges[name] = FloatDistribution(low, high, log=scale == "log")
    return ranges


def _defaults(search: Search, ranges: Mapping[str, Any]) -> dict[str, Scalar]:
    """What the study would do without a search, brought into the ranges."""
    given = {**search.method.spec.options, RATE: default_rate(search.plan.study, search.method, search.model.card)}
    inside = {name: min(max(float(given[name] or 0), space.low), space.high) for name, space in ranges.items()}
    return {name: int(value) if isinstance(given[name], int) else value for name, value in inside.items()}


def _refuse_what_cannot_be_halved(found: Sequence[Search]) -> None:
    """Trials of several runs, which no run knows of while it trains; and searches that share trials."""
    seen = set()
    for search in found:
        names = search.task, search.model.card.name, search.method.spec.name
        if len(folds_of(search.dataset)) > 1:
            raise BadInput(
                "tune.halving",
                f"cannot compare trials of '{search.task}' while they train: each is one run a fold",
                "leave it out, or give the task one validation split (folds: 0)",
            )
        fixed = {name: value for name, value in search.method.spec.options.items() if name not in search.searched}
        subset = search.subset and search.subset.model_dump(mode="json")
        if (key := fingerprint([*names, fixed, subset])) in seen:
            raise BadInput(
                "tune.halving",
                f"method '{names[2]}' is there twice, and only in what is searched anyway do the two differ",
                "leave one out",
            )
        seen.add(key)


def _need_optuna() -> None:
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise BadInput("tune", "needs Optuna, which is not installed", "pip install 'clinpeft[tune]'")
