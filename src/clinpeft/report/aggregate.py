"""From records to Results: one row a metric of each configuration, averaged over seeds, failures counted.

How a mean and its interval come about (`combine`), how costs are averaged (`costs`) and what folds do (`folds.py`) is
told to the reader of the report in its section «How these numbers were got»; keep the two alike.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance
from typing import Literal

from clinpeft.frozen import fingerprint
from clinpeft.record import Cost, How, Parameters, Score
from clinpeft.report.caveats import caveats
from clinpeft.report.chances import front_chances
from clinpeft.report.configurations import Configuration, configurations, is_higher_better, selected
from clinpeft.report.contrasts import Contrast, contrasts
from clinpeft.report.folds import pooled_scores
from clinpeft.report.load import LoadedRun, LoadedStudy, load
from clinpeft.report.recommend import recommend
from clinpeft.report.results import (
    COST_FIELDS,
    HARDWARE_FREE,
    CostSummary,
    Failure,
    ResultRow,
    Results,
    StudyInfo,
    Z,
)
from clinpeft.spec import CostField

__all__ = ["aggregate", "combine", "costs", "load"]

CERTAINTY: tuple[How, ...] = ("measured", "attributed", "estimated", "unavailable")


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval; all null when no seed gave a value."""

    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Analysis:
    """The results, and the paired differences that they rest on."""

    results: Results
    contrasts: tuple[Contrast, ...]


def aggregate(loaded: Sequence[LoadedStudy], only: Mapping[str, str] | None = None) -> Results:
    """The results of one or more studies, recommendations and warnings included: `analyse` without its contrasts."""
    return analyse(loaded, only).results


def analyse(
    loaded: Sequence[LoadedStudy], only: Mapping[str, str] | None = None, cost: CostField | None = None
) -> Analysis:
    """The results of one or more studies, recommendations and warnings included.

    `only` keeps the runs that match (`configurations.FILTERS`). The rule of the recommendation is the first study's;
    `cost` is what the rows' chances of standing on the Pareto front are against, in the place of that rule's.
    Raises BadInput for a filter that is unknown or matches nothing, and for predictions of folds that cannot be read.
    """
    runs = selected(loaded, only or {})
    found = configurations(runs)
    select = loaded[0].study.select
    paired = contrasts(found)
    rows = _with_front([row for configuration in found for row in _rows(configuration)], cost or select.cost, paired)
    failed = sorted((run.record for _, run in runs if run.record.has_failed), key=lambda record: record.run)
    results = Results(
        study=_study(loaded),
        rows=tuple(rows),
        failures=tuple(Failure(run=r.run, status=r.status, code=r.reason.code if r.reason else None) for r in failed),
        recommendations=(),
        warnings=tuple(caveats(loaded, runs, found, rows, only or {})),
    )
    prestated = not any(study.rule_changed for study in loaded)
    recommended = recommend(results, select, contrasts=paired, prestated=prestated)
    return Analysis(results.model_copy(update={"recommendations": recommended}), tuple(paired))


def combine(scores: Sequence[Score | None], *, higher_is_better: bool) -> Estimate:
    """The mean over seeds and a 95 % interval that holds both the noise of the subjects and that of the seeds.

    One seed: its bootstrap interval. Several: the squared arms of the seeds' intervals are averaged (they share the
    subjects, so more seeds do not make that part smaller) and (1.96 s)²/n is added, s the standard deviation over n
    seeds; each side for itself, so that a skewed interval stays skewed (Zou and Donner 2008). With symmetric intervals
    that is mean ± 1.96 √(mean bootstrap variance + s²/n). A quality ends at 1, and nothing reaches below 0 where no
    seed's own interval does. Seeds without a value are left out; when a seed has a value but no interval, there is
    none.
    """
    known = [(score.value, score.low, score.high) for score in scores if score is not None and score.value is not None]
    if not known:
        return Estimate()
    values = [value for value, _, _ in known]
    mean = fmean(values)
    arms = [(value - low, high - value) for value, low, high in known if low is not None and high is not None]
    if len(arms) < len(known):
        return Estimate(mean)
    if len(known) == 1:
        return Estimate(*known[0])
    seeds = Z**2 * variance(values) / len(values)
    low = mean - sqrt(fmean(below**2 for below, _ in arms) + seeds)
    high = mean + sqrt(fmean(above**2 for _, above in arms) + seeds)
    if all(low_of_one is not None and low_of_one >= 0 for _, low_of_one, _ in known):
        low = max(low, 0.0)
    return Estimate(mean, low, min(high, 1.0) if higher_is_better else high)


def costs(runs: Sequence[LoadedRun]) -> tuple[dict[CostField, CostSummary], str | None]:
    """Mean and range of each cost over the runs on one hardware (the one with most runs), and its id.

    Without runs: nothing, and None.
    """
    counted = Counter(run.record.environment.hardware_id for run in runs if run.record.environment)
    hardware = min(counted, key=lambda name: (-counted[name], name)) if counted else None
    same = [
        run.record.cost
        for run in runs
        if (run.record.environment.hardware_id if run.record.environment else None) == hardware
    ]
    fields = [field for field in COST_FIELDS if any(field in cost for cost in same)]
    return {field: _summary([cost[field] for cost in same if field in cost]) for field in fields}, hardware


def _summary(values: Sequence[Cost]) -> CostSummary:
    known = [cost for cost in values if cost.value is not None]
    numbers = [cost.value for cost in known if cost.value is not None]
    how = max((cost.how for cost in known or values), key=CERTAINTY.index)
    if not numbers:
        return CostSummary(mean=None, how=how)
    low, high = (min(numbers), max(numbers)) if len(numbers) > 1 else (None, None)
    return CostSummary(mean=fmean(numbers), low=low, high=high, how=how)


def _rows(configuration: Configuration) -> list[ResultRow]:
    """Validation, then test where it was opened; in each the headline metric first."""
    opened = any(run.test for run in configuration.successes())
    rows = []
    for split in ("validation", "test") if opened else ("validation",):
        scored = _scores_by_seed(configuration, split)
        names = dict.fromkeys(name for scores in scored for name in scores or ())
        headline = configuration.headline
        for metric in dict.fromkeys([*([headline] if headline in names or not names else []), *names]):
            rows.append(_row(configuration, split, metric, [(scores or {}).get(metric) for scores in scored]))
    return rows


def _row(
    configuration: Configuration, split: Literal["validation", "test"], metric: str, scores: list[Score | None]
) -> ResultRow:
    spec, facts, successes = configuration.spec, configuration.facts, configuration.successes()
    more_is_better = is_higher_better(metric)
    estimate = combine(scores, higher_is_better=more_is_better)
    parameters = next((run.record.parameters for run in successes if run.record.parameters), None)
    backbone = parameters and _backbone(parameters)
    cost, hardware = costs(successes)
    return ResultRow(
        task=spec.task,
        kind=spec.kind,
        model=spec.model,
        domain="none" if spec.model == "none" else facts.domain if facts else "unknown",
        backbone_parameters=facts.backbone_parameters if facts and facts.backbone_parameters else backbone,
        method=spec.method.name,
        options=configuration.options,
        subset=spec.train.subset,
        tuned=configuration.is_tuned,
        split=split,
        metric=metric,
        higher_is_better=more_is_better,
        mean=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        per_seed=tuple(score.value if score else None for score in scores),
        num_seeds=sum(score is not None and score.value is not None for score in scores),
        num_folds=configuration.num_folds,
        num_failed=sum(_has_failed(configuration, seed) for seed in configuration.seeds),
        trainable_parameters=parameters.trainable if parameters else None,
        cost=cost,
        hardware_id=hardware,
        front_probability=None,
        runs=tuple(run.record.run for run in configuration.runs),
    )


def _backbone(parameters: Parameters) -> int:
    """What is neither head nor adapter; where training changes everything, the adapter is the backbone."""
    return parameters.total - parameters.head - parameters.adapter or parameters.adapter


def _has_failed(configuration: Configuration, seed: int) -> bool:
    return len(configuration.successes(seed)) < max(configuration.num_folds, 1)


def _scores_by_seed(
    configuration: Configuration, split: Literal["validation", "test"]
) -> list[dict[str, Score] | None]:
    """For each seed its scores by metric; None when a run of it failed or is missing."""
    result: list[dict[str, Score] | None] = []
    for seed in configuration.seeds:
        runs = configuration.successes(seed)
        if _has_failed(configuration, seed):
            result.append(None)
        elif split == "test":
            tests = [run.test.scores for run in runs if run.test]
            result.append(_mean_of_folds(tests) if len(tests) == len(runs) else None)
        elif configuration.num_folds:
            result.append(pooled_scores(runs, configuration.card) if configuration.card else None)
        else:
            result.append(runs[0].record.scores)
    return result


def _mean_of_folds(tests: Sequence[Mapping[str, Score]]) -> dict[str, Score]:
    """The folds' models scored on one and the same test split: their mean, intervals combined as over seeds."""
    if len(tests) == 1:
        return dict(tests[0])
    result = {}
    for metric in tests[0]:
        scores = [scores.get(metric) for scores in tests]
        estimate = combine(scores, higher_is_better=is_higher_better(metric))
        subjects = max(score.num_subjects for score in scores if score)
        result[metric] = Score(value=estimate.mean, low=estimate.low, high=estimate.high, num_subjects=subjects)
    return result


def _with_front(rows: Iterable[ResultRow], cost: CostField, paired: Sequence[Contrast]) -> list[ResultRow]:
    """The rows with `front_probability`, among the rows of one task, split, metric and (for times) hardware."""
    rows = list(rows)
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.task, row.split, row.metric, "" if cost in HARDWARE_FREE else str(row.hardware_id)].append(index)
    for members in groups.values():
        chances = front_chances([rows[index] for index in members], cost, paired)
        for index, chance in zip(members, chances, strict=True):
            rows[index] = rows[index].model_copy(update={"front_probability": chance})
    return rows


def _study(loaded: Sequence[LoadedStudy]) -> StudyInfo:
    studies = [study.study for study in loaded]
    sums = [study.sha256() for study in studies]
    tested = [study.study.test for study in loaded for run in study.runs if run.test]
    is_open = any(study.test == "open" for study in studies)
    return StudyInfo(
        name=" + ".join(study.name for study in studies),
        sha256=sums[0] if len(sums) == 1 else fingerprint(sums),
        mode="paper" if any(study.mode == "paper" for study in studies) else "fair",
        test="opened" if "sealed" in tested else "open" if is_open else "sealed",
        times_opened=max(study.times_opened for study in loaded),
    )
