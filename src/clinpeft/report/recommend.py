"""The recommendation: the cheapest configuration that cannot be told from the best, on validation scores only.

Nothing here looks at test scores, so opening the test labels changes no recommendation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, inf, sqrt
from statistics import NormalDist

from clinpeft.report.contrasts import Contrast, paired
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
    interval,
    limit,
    listed,
    mean_and_interval,
    method_labels,
    score,
    times,
)
from clinpeft.spec import CostField, Select

ONE_SEED = "With one seed the spread between seeds is unknown."
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
        _Contest(_candidates(results.rows, task, select), select, limits, failed, contrasts, late) for task in tasks
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
class _Contest:
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
        fitting = [row for row in self.scored if self._fits(row)]
        if not fitting:
            return self._none_fits(task, prestated)
        best, choice = self._best(fitting), self._choose(fitting)
        others = [row for row in fitting if row is not choice]
        runner_up = self._best(others) if others else None
        best_of_all = self._best(self.scored)
        rival = best_of_all if best_of_all is not choice else runner_up
        is_clear = runner_up is not None and (self._leads(choice, runner_up) or self._leads(runner_up, choice))
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
            else self._gap(choice, best_of_all),
            cost_ratio=self._cost_ratio(choice, rival) if rival else None,
            verdict="clear" if is_clear else "within_noise",
            sentence=self._sentence(task, choice, best, runner_up, best_of_all),
        )

    def _gap(self, row: ResultRow, other: ResultRow) -> Difference:
        return paired(self.contrasts, row, other) or difference(row, other, len(self.scored))

    def _leads(self, row: ResultRow, other: ResultRow) -> bool:
        """Whether the interval of the difference lies wholly on the better side of zero."""
        gap = self._gap(row, other)
        if gap.low is None or gap.high is None:
            return False
        return gap.low > 0 if row.higher_is_better else gap.high < 0

    def _fits(self, row: ResultRow) -> bool:
        burdens = [
            (row.burden(field), -most if field in MORE_IS_BETTER else most) for field, most in self.limits.items()
        ]
        return all(burden is not None and burden <= most for burden, most in burdens)

    def _best(self, rows: Sequence[ResultRow]) -> ResultRow:
        return min(rows, key=lambda row: (-_known(row.quality), *self._thrift(row)))

    def _choose(self, rows: Sequence[ResultRow]) -> ResultRow:
        best = self._best(rows)
        if self.select.rule == "best":
            return best
        near = [row for row in rows if _known(row.quality) >= self._edge(best) and self._is_comparable(row, best)]
        return min(near, key=self._thrift)

    def _edge(self, best: ResultRow) -> float:
        """The poor end of the best one's interval, turned so that more is better."""
        return _known(best.quality if best.worst_quality is None else best.worst_quality)

    def _thrift(self, row: ResultRow) -> tuple[float, float, str]:
        burden, trainable = row.burden(self.select.cost), row.trainable_parameters
        return inf if burden is None else burden, inf if trainable is None else trainable, self.names[row.runs]

    def _is_comparable(self, row: ResultRow, other: ResultRow) -> bool:
        return self.select.cost in HARDWARE_FREE or row.hardware_id == other.hardware_id

    def _cost_ratio(self, row: ResultRow, other: ResultRow) -> float | None:
        mine, its = (each.cost.get(self.select.cost) for each in (row, other))
        if mine is None or its is None or mine.mean is None or not its.mean or not self._is_comparable(row, other):
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
            row = min(known, key=lambda row: (_known(row.burden(field)), self.names[row.runs]))
            nearest.append(
                f"{limit(field, most)}; nearest: {cost(field, row.cost[field].mean)}, {self.names[row.runs]}"
            )
        return (
            f"For {task} none of {count(len(self.scored), 'configuration')} keeps every limit ({'; '.join(nearest)}). "
            f"Raise a limit, or add a smaller model to the study. {self.late}".rstrip()
        )

    def _sentence(
        self, task: str, choice: ResultRow, best: ResultRow, runner_up: ResultRow | None, best_of_all: ResultRow
    ) -> str:
        clauses = [
            self._take(task, choice, best),
            self._noise(choice, best, runner_up),
            self._on_other_hardware(best),
            self._price_of_limits(choice, best_of_all),
            self._against_baselines(choice, best),
            self._seeds(choice),
            self.late,
        ]
        return " ".join(clause for clause in clauses if clause)

    def _take(self, task: str, choice: ResultRow, best: ResultRow) -> str:
        seeds = count(choice.num_seeds, "seed")
        start = f"For {task} take {self.names[choice.runs]}"
        if choice.method == "majority" and choice.model == "none":
            start = f"For {task} nothing is shown to beat always answering the most frequent class"
        start += f": {choice.metric} {mean_and_interval(choice)} on validation ({seeds})"
        if choice is best:
            return start + "."
        ratio = self._cost_ratio(choice, best)
        at = f" at {times(ratio)} its {COST_WORDS[self.select.cost]}" if ratio is not None else ""
        return f"{start}, within the interval of the best ({self.names[best.runs]}, {mean_and_interval(best)}){at}."

    def _noise(self, choice: ResultRow, best: ResultRow, runner_up: ResultRow | None) -> str:
        if runner_up is None:
            return "Nothing else could be compared with it."
        amount = self._amount(choice, runner_up)
        seeds = count(min(choice.num_seeds, runner_up.num_seeds), "seed")
        if choice is not best and self._leads(best, choice):
            return (
                f"On the same subjects the best is better by {amount}, more than noise explains; this one costs less."
            )
        other = f"the next best ({self.names[runner_up.runs]}, {mean_and_interval(runner_up)})"
        if choice is best and self._leads(choice, runner_up):
            return f"It is better than {other} by {amount}, more than noise explains."
        what = f"the difference of {amount}{f' to {other}' if choice is best else ''}"
        if self._gap(choice, runner_up).low is None:
            return f"Whether {what} is noise is not known: there is no interval."
        return f"With {seeds} {what} is within noise."

    def _amount(self, row: ResultRow, other: ResultRow) -> str:
        """By how much they differ, in whichever direction, with its interval: `0.100 [0.086, 0.114]`."""
        gap = self._gap(row, other)
        ends = [None if end is None else end * (-1 if gap.value < 0 else 1) for end in (gap.low, gap.high)]
        low, high = ends if gap.value >= 0 else reversed(ends)
        return f"{score(abs(gap.value))} {interval(low, high)}".strip()

    def _on_other_hardware(self, best: ResultRow) -> str:
        """What would be near enough to the best, had its cost been measured on the same hardware."""
        if self.select.rule == "best":
            return ""
        near = [row for row in self.scored if self._fits(row) and _known(row.quality) >= self._edge(best)]
        elsewhere = [self.names[row.runs] for row in near if not self._is_comparable(row, best)]
        if not elsewhere:
            return ""
        ran = "it ran" if len(elsewhere) == 1 else "they ran"
        words = COST_WORDS[self.select.cost]
        return f"Not compared by {words}, since {ran} on other hardware: {listed(elsewhere)}."

    def _price_of_limits(self, choice: ResultRow, best_of_all: ResultRow) -> str:
        if not self.limits:
            return ""
        kept = listed(limit(field, most) for field, most in self.limits.items())
        machines = sorted({str(row.hardware_id) for row in self.scored})
        each = ""
        if len(machines) > 1 and set(self.limits) - HARDWARE_FREE:
            each = f" Each configuration was held to them by what it took on its own hardware ({listed(machines)})."
        if self._fits(best_of_all):
            return f"It keeps the limits: {kept}.{each}"
        return (
            f"It keeps the limits ({kept}), which the best of all does not: {self.names[best_of_all.runs]}, "
            f"{mean_and_interval(best_of_all)}.{each}"
        )

    def _against_baselines(self, choice: ResultRow, best: ResultRow) -> str:
        """What the choice adds to counted words, and to its own model untuned."""
        rivals = [row for row in self.scored if row.is_baseline and row.method != "majority"]
        rivals = [row for row in rivals if row.subset == choice.subset]
        others = [row for row in rivals if row.model in ("none", choice.model) and row is not choice]
        if choice.is_baseline:
            others = [] if choice.model == "none" else others
            untuned = "" if best.is_baseline else "There is no evidence that a fine-tuned model does better here."
            return " ".join(part for part in (untuned, self._against(choice, others)) if part)
        return self._against(choice, others)

    def _against(self, choice: ResultRow, others: Sequence[ResultRow]) -> str:
        """`It beats A (…) by 0.021. You have no evidence that it beats B (…).`"""
        beaten = [row for row in others if self._leads(choice, row)]
        told = [f"{self._rival(row)} by {self._amount(choice, row)}" for row in beaten]
        left = [self._rival(row) for row in others if row not in beaten]
        sentences = [f"It beats {' and '.join(told)}."] if told else []
        sentences += [f"You have no evidence that it beats {' or '.join(left)}."] if left else []
        return " ".join(sentences)

    def _rival(self, row: ResultRow) -> str:
        name = self.names[row.runs] if row.model == "none" else "the same model untuned"
        return f"{name} ({mean_and_interval(row)})"

    def _seeds(self, choice: ResultRow) -> str:
        failed = f"{choice.num_failed} of its {count(len(choice.per_seed), 'seed')} failed."
        is_alone = choice.num_seeds == 1 and not choice.is_baseline
        told = ([failed] if choice.num_failed else []) + ([ONE_SEED] if is_alone else [])
        return " ".join(told)


def _known(value: float | None) -> float:
    assert value is not None
    return value
