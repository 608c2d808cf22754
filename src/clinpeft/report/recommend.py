"""The recommendation: the cheapest configuration that cannot be told from the best, on validation scores only.

Nothing here looks at test scores, so opening the test labels changes no recommendation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, inf, sqrt
from statistics import NormalDist

from clinpeft.report.contrasts import Contrast, paired
from clinpeft.report.recommend_sentence import Sentence, known_value
from clinpeft.report.results import (
    HARDWARE_FREE,
    MORE_IS_BETTER,
    Choice,
    Difference,
    Recommendation,
    ResultRow,
    Results,
)
from clinpeft.report.wording import (
    COST_WORDS,
    configuration,
    cost,
    count,
    limit,
    method_labels,
)
from clinpeft.spec import CostField, Select

RULE_CHANGED = "The rule is not the one that the study began with."
LIMITS_LATE = "Limits were given afterwards that the study does not state."


def recommend(
    results: Results,
    select: Select,
    limits_extra: Mapping[CostField, float] | None = None,
    contrasts: Sequence[Contrast] = (),
    *,
    prestated: bool = True,
) -> tuple[Recommendation, ...]:
    """One recommendation a task, in the order of the rows.

    Candidates are all configurations with a validation mean, baselines too, that keep every limit (`select.limits`,
    over which `limits_extra` goes); a cost that is unknown keeps no limit. When some use all training data, those on a
    subset are no candidates. Rule `best` takes the highest mean. `cheapest-within-interval` takes, of those whose mean
    lies within the best one's interval, the one with the lowest `select.cost`, then the fewest trainable parameters,
    then by name; times count only against the same hardware as the best one's. `contrasts`: paired differences, where
    predictions are kept. `prestated` says whether the rule stood in the study from the start; where it or a limit did
    not, the sentence says so.
    """
    limits = {**select.limits, **(limits_extra or {})}
    is_prestated = prestated and limits == select.limits
    failed = {failure.run for failure in results.failures}
    tasks = dict.fromkeys(row.task for row in results.rows)
    late = " ".join(([] if prestated else [RULE_CHANGED]) + ([] if limits == select.limits else [LIMITS_LATE]))
    contests = [
        Contest(_candidates(results.rows, task, select), select, limits, failed, contrasts, late) for task in tasks
    ]
    return tuple(contest.judge(task, is_prestated) for task, contest in zip(tasks, contests, strict=True))


def difference(row: ResultRow, other: ResultRow, num_compared: int = 2) -> Difference:
    """`row` minus `other` with a 95 % interval from both intervals as if they were independent, which is cautious for
    scores on the same subjects. It holds for all pairs of `num_compared` configurations together (Bonferroni), since
    the best of many equal ones looks better than it is. No interval when one of the rows has none."""
    assert row.mean is not None and other.mean is not None
    value = row.mean - other.mean
    if row.deviation is None or other.deviation is None:
        return Difference(value=value, low=None, high=None)
    num_pairs = max(1, comb(num_compared, 2))
    arm = NormalDist().inv_cdf(1 - 0.025 / num_pairs) * sqrt(row.deviation**2 + other.deviation**2)
    return Difference(value=value, low=value - arm, high=value + arm)


def _candidates(rows: Sequence[ResultRow], task: str, select: Select) -> list[ResultRow]:
    """The validation rows of one task on its headline metric, failed configurations too."""
    of_task = [row for row in rows if row.task == task and row.split == "validation"]
    chosen = [row for row in of_task if row.metric == select.metric]
    found = chosen or [row for row in of_task if row.metric == of_task[0].metric]
    whole = [row for row in found if row.subset is None and not row.is_baseline]
    return [row for row in found if row.subset is None] if whole else found


@dataclass
class Contest:
    """The candidates of one task and the rule that they compete under."""

    rows: list[ResultRow]
    select: Select
    limits: dict[CostField, float]
    failed: set[str]
    contrasts: Sequence[Contrast]
    late: str
    """What was not stated beforehand, in a sentence; empty where all was."""

    def __post_init__(self) -> None:
        labels = zip(self.rows, method_labels(self.rows), strict=True)
        self.names = {row.runs: configuration(row.model, label) for row, label in labels}
        self.scored = [row for row in self.rows if row.mean is not None]

    def judge(self, task: str, prestated: bool) -> Recommendation:
        """The recommendation."""
        fitting = [row for row in self.scored if self.fits(row)]
        if not fitting:
            return self._none_fits(task, prestated)
        best, choice = self._best(fitting), self._choose(fitting)
        others = [row for row in fitting if row is not choice]
        runner_up = self._best(others) if others else None
        best_of_all = self._best(self.scored)
        rival = best_of_all if best_of_all is not choice else runner_up
        is_clear = runner_up is not None and (self.leads(choice, runner_up) or self.leads(runner_up, choice))
        return Recommendation(
            task=task,
            metric=choice.metric,
            rule=self.select.rule,
            limits=self.limits,
            limits_prestated=prestated,
            choice=self._handed_over(choice),
            runner_up=self._handed_over(runner_up) if runner_up else None,
            difference_to_best=Difference(value=0, low=0, high=0)
            if choice is best_of_all
            else self.gap(choice, best_of_all),
            cost_ratio=self.cost_ratio(choice, rival) if rival else None,
            verdict="clear" if is_clear else "within_noise",
            sentence=Sentence(self).written(task, choice, best, runner_up, best_of_all),
        )

    def gap(self, row: ResultRow, other: ResultRow) -> Difference:
        """`row` minus `other`: paired where predictions are kept, else as if independent."""
        return paired(self.contrasts, row, other) or difference(row, other, len(self.scored))

    def leads(self, row: ResultRow, other: ResultRow) -> bool:
        """Whether the interval of the difference lies wholly on the better side of zero."""
        gap = self.gap(row, other)
        if gap.low is None or gap.high is None:
            return False
        return gap.low > 0 if row.higher_is_better else gap.high < 0

    def fits(self, row: ResultRow) -> bool:
        """Whether every limit is kept; a cost that is unknown keeps none."""
        burdens = [
            (row.burden(field), -most if field in MORE_IS_BETTER else most) for field, most in self.limits.items()
        ]
        return all(burden is not None and burden <= most for burden, most in burdens)

    def _best(self, rows: Sequence[ResultRow]) -> ResultRow:
        return min(rows, key=lambda row: (-known_value(row.quality), *self._thrift(row)))

    def _choose(self, rows: Sequence[ResultRow]) -> ResultRow:
        best = self._best(rows)
        if self.select.rule == "best":
            return best
        near = [row for row in rows if known_value(row.quality) >= self.edge(best) and self.is_comparable(row, best)]
        return min(near, key=self._thrift)

    def edge(self, best: ResultRow) -> float:
        """The poor end of the best one's interval, turned so that more is better."""
        return known_value(best.quality if best.worst_quality is None else best.worst_quality)

    def _thrift(self, row: ResultRow) -> tuple[float, float, str]:
        burden, trainable = row.burden(self.select.cost), row.trainable_parameters
        return inf if burden is None else burden, inf if trainable is None else trainable, self.names[row.runs]

    def is_comparable(self, row: ResultRow, other: ResultRow) -> bool:
        """Whether the study's cost of the two may be compared."""
        return self.select.cost in HARDWARE_FREE or row.hardware_id == other.hardware_id

    def cost_ratio(self, row: ResultRow, other: ResultRow) -> float | None:
        """The study's cost of `row` by that of `other`; None where one is unknown or on other hardware."""
        mine, its = (each.cost.get(self.select.cost) for each in (row, other))
        if mine is None or its is None or mine.mean is None or not its.mean or not self.is_comparable(row, other):
            return None
        return mine.mean / its.mean

    def _handed_over(self, row: ResultRow) -> Choice:
        """The run of the first seed that succeeded: to take the best seed would be to choose on noise."""
        run = next(run for run in row.runs if run not in self.failed)
        return Choice(model=row.model, method=row.method, run=run)

    def _none_fits(self, task: str, prestated: bool) -> Recommendation:
        return Recommendation(
            task=task,
            metric=self.rows[0].metric,
            rule=self.select.rule,
            limits=self.limits,
            limits_prestated=prestated,
            choice=None,
            runner_up=None,
            difference_to_best=None,
            cost_ratio=None,
            verdict="none_fits",
            sentence=self._why_none(task),
        )

    def _why_none(self, task: str) -> str:
        if not self.scored:
            return f"For {task} nothing can be recommended: no run has a validation score ({self.rows[0].metric})."
        nearest = []
        for field, most in self.limits.items():
            known = [row for row in self.scored if row.burden(field) is not None]
            if not known:
                nearest.append(f"{COST_WORDS[field]} was not measured")
                continue
            row = min(known, key=lambda row: (known_value(row.burden(field)), self.names[row.runs]))
            nearest.append(
                f"{limit(field, most)}; nearest: {cost(field, row.cost[field].mean)}, {self.names[row.runs]}"
            )
        return (
            f"For {task} none of {count(len(self.scored), 'configuration')} keeps every limit ({'; '.join(nearest)}). "
            f"Raise a limit, or add a smaller model to the study. {self.late}".rstrip()
        )
