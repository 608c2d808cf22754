"""evaluation.json: what the recommended configurations do beyond their score, from the predictions that were kept.

Calibration, precision and recall, answers at the threshold that validation chose and at a stated alert rate, net
benefit, and subgroups. On the test split once its labels were opened, else on validation, where thresholds look a
little better than they are. Counts below 11 are hidden.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen
from clinpeft.metrics.calibration import Calibration
from clinpeft.metrics.net_benefit import DecisionCurve
from clinpeft.metrics.operating_point import OperatingPoint
from clinpeft.metrics.precision_recall import PrecisionRecall
from clinpeft.metrics.subgroups import Subgroup
from clinpeft.report.configurations import Configuration
from clinpeft.report.folds import pooled_with_groups
from clinpeft.report.load import LoadedRun
from clinpeft.report.results import Choice, Recommendation, Results
from clinpeft.report.seeds import MiddleHalf, middle_half

if TYPE_CHECKING:
    from clinpeft.metrics.base import Predictions
    from clinpeft.metrics.outcomes import Outcome

ALERT_RATE = 0.1
"""Share of examples that may be flagged, where nobody states another."""
MOST_LABELS = 5
"""Of a task with many labels, the most frequent ones are looked at; for what is not recommended, the first of them."""
Role = Literal["choice", "runner_up", "baseline"]
Split = Literal["validation", "test"]


class Judged(Frozen):
    """One configuration's run of the first seed, looked at closely."""

    role: Role
    model: str
    method: str
    runs: tuple[str, ...]
    """Whose predictions these are: one run, or the folds of one seed."""
    split: Split
    num_examples: int
    num_subjects: int
    calibration: tuple[Calibration, ...]
    """By label; empty for entities."""
    points: tuple[OperatingPoint, ...]
    """At the thresholds that validation chose."""
    points_at_alert_rate: tuple[OperatingPoint, ...]
    """At thresholds that flag at most the stated share of validation."""
    precision_recall: tuple[PrecisionRecall, ...]
    """Of the choice only, like what follows."""
    net_benefit: tuple[DecisionCurve, ...]
    subgroups: tuple[Subgroup, ...]
    """By the task's metric."""
    left_out: tuple[str, ...]
    """Labels of which nothing is said: too few subjects have them or lack them, or others are more frequent."""


class TaskEvaluation(Frozen):
    """One task's choice, runner-up and text baseline."""

    task: str
    metric: str
    judged: tuple[Judged, ...]
    """Empty where predictions are not kept or nothing is recommended."""
    seeds: tuple[MiddleHalf, ...] = ()
    """Of every configuration, on validation."""

    @property
    def choice(self) -> Judged | None:
        """The recommended configuration."""
        return next((item for item in self.judged if item.role == "choice"), None)


class Evaluation(Frozen):
    """evaluation.json."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    alert_rate: float
    prevalence: float | None
    """Stated by the reader: how common the label is where the model is to be used."""
    tasks: tuple[TaskEvaluation, ...]

    def to_json(self) -> str:
        """The file's text; the same evaluation, the same bytes."""
        plain = self.model_dump(mode="json", by_alias=True)
        return json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class _Read:
    """Predictions of one split, their groups, and the same model's on validation, which sets thresholds."""

    split: Split
    runs: tuple[LoadedRun, ...]
    predictions: Predictions
    groups: dict[str, list[str | None]]
    validation: Predictions


def evaluate(
    results: Results,
    found: Sequence[Configuration],
    alert_rate: float = ALERT_RATE,
    prevalence: float | None = None,
) -> Evaluation:
    """The evaluation of what is recommended, task by task. found: the configurations of the results' rows.

    Raises BadInput for a rate or prevalence that does not lie between 0 and 1, and for predictions that cannot be read.
    """
    for option, share in (("--alert-rate", alert_rate), ("--prevalence", prevalence)):
        if share is not None and not 0 < share < 1:
            raise BadInput(option, "does not lie between 0 and 1", f"for example {option} 0.1 for one in ten")
    tasks = []
    for item in results.recommendations:
        of_task = [configuration for configuration in found if configuration.spec.task == item.task]
        judged = [
            _judged(role, configuration, run, item.metric, alert_rate)
            for role, configuration, run in _asked(item, of_task)
        ]
        known = tuple(each for each in judged if each is not None)
        rows = [row for row in results.rows if (row.task, row.metric) == (item.task, item.metric)]
        seeds = tuple(middle_half(row) for row in rows if row.split == "validation")
        tasks.append(TaskEvaluation(task=item.task, metric=item.metric, judged=known, seeds=seeds))
    return Evaluation(alert_rate=alert_rate, prevalence=prevalence, tasks=tuple(tasks))


def _asked(item: Recommendation, found: Sequence[Configuration]) -> list[tuple[Role, Configuration, LoadedRun]]:
    """The choice, the runner-up and the text baseline, each once, with the run of its first seed that succeeded."""
    roles: list[tuple[Role, Choice]] = []
    if item.choice is not None:
        roles.append(("choice", item.choice))
    if item.runner_up is not None:
        roles.append(("runner_up", item.runner_up))
    asked: list[tuple[Role, Configuration, LoadedRun]] = []
    for role, choice in roles:
        for configuration in found:
            asked += [(role, configuration, run) for run in configuration.successes() if run.record.run == choice.run]
    for configuration in found:
        is_known = any(configuration is other for _, other, _ in asked)
        if configuration.spec.method.name == "tfidf-logistic" and configuration.successes() and not is_known:
            asked.append(("baseline", configuration, configuration.successes()[0]))
    return asked


def _judged(role: Role, configuration: Configuration, run: LoadedRun, metric: str, alert_rate: float) -> Judged | None:
    from clinpeft.metrics.calibration import calibration
    from clinpeft.metrics.net_benefit import decision_curve
    from clinpeft.metrics.operating_point import operating_point
    from clinpeft.metrics.precision_recall import precision_recall

    read = _read(configuration, run)
    if read is None:
        return None
    is_choice = role == "choice"
    asked, left_out = _labels(read.predictions, MOST_LABELS if is_choice else 1)
    calibrations = [calibration(outcome) for outcome in asked]
    curves = [precision_recall(outcome) for outcome in asked] if is_choice else []
    benefits = [decision_curve(outcome) for outcome in asked] if is_choice else []
    points = [operating_point(outcome) for outcome in asked]
    spec = configuration.spec
    return Judged(
        role=role,
        model=spec.model,
        method=spec.method.name,
        runs=tuple(each.record.run for each in read.runs),
        split=read.split,
        num_examples=len(read.predictions),
        num_subjects=len(set(read.predictions.subjects)),
        calibration=tuple(found for found in calibrations if found is not None),
        points=tuple(point for point in points if point is not None),
        points_at_alert_rate=_at_alert_rate(read, asked, alert_rate),
        precision_recall=tuple(curve for curve in curves if curve is not None),
        net_benefit=tuple(curve for curve in benefits if curve is not None),
        subgroups=_subgroups(read, metric) if is_choice else (),
        left_out=left_out,
    )


def _read(configuration: Configuration, run: LoadedRun) -> _Read | None:
    """None where predictions are not kept, or the card is another dataset's."""
    card = configuration.card
    if card is None:
        return None
    seed = run.record.spec.seed
    same = configuration.successes(seed) if configuration.num_folds else [run]
    if configuration.num_folds and len(same) < configuration.num_folds:
        return None
    validation = pooled_with_groups(same, card)
    if validation is None:
        return None
    test = pooled_with_groups([run], card, "test") if run.test is not None else None
    if test is not None:
        return _Read("test", (run,), *test, validation[0])
    return _Read("validation", tuple(same), *validation, validation[0])


def _labels(predictions: Predictions, most: int) -> tuple[list[Outcome], tuple[str, ...]]:
    """The labels to look at, most frequent first where they are many, and the names of the others."""
    from clinpeft.metrics.outcomes import outcomes

    every = outcomes(predictions)
    enough = [outcome for outcome in every if outcome.too_few() is None]
    if len(enough) > most:
        enough = sorted(enough, key=lambda outcome: -int(outcome.happened.sum()))[:most]
    names = {outcome.label for outcome in enough}
    return enough, tuple(outcome.label for outcome in every if outcome.label not in names)


def _at_alert_rate(read: _Read, asked: Sequence[Outcome], rate: float) -> tuple[OperatingPoint, ...]:
    from clinpeft.metrics.operating_point import at_threshold, threshold_for_alert_rate
    from clinpeft.metrics.outcomes import outcomes

    before = {outcome.label: outcome for outcome in outcomes(read.validation)}
    points = [
        at_threshold(outcome, threshold_for_alert_rate(before[outcome.label], rate))
        for outcome in asked
        if outcome.threshold is not None and len(before.get(outcome.label, ()))
    ]
    return tuple(point for point in points if point is not None)


def _subgroups(read: _Read, metric: str) -> tuple[Subgroup, ...]:
    from clinpeft.metrics.base import METRICS
    from clinpeft.metrics.subgroups import subgroups

    if metric not in METRICS or not read.groups:
        return ()
    return tuple(subgroups(METRICS.get(metric)(), read.predictions, read.groups))
