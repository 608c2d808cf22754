"""The sentence of a recommendation, which a data officer can quote: what to take, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clinpeft.report.results import (
    HARDWARE_FREE,
    ResultRow,
)
from clinpeft.report.wording import (
    COST_WORDS,
    count,
    interval,
    limit,
    listed,
    mean_and_interval,
    score,
    times,
)

if TYPE_CHECKING:
    from clinpeft.report.recommend import Contest

ONE_SEED = "With one seed the spread between seeds is unknown."


@dataclass(frozen=True)
class Sentence:
    """Of one contest, whose candidates it compares in words."""

    contest: Contest

    @property
    def names(self) -> dict[tuple[str, ...], str]:
        """Of the candidates, by their runs."""
        return self.contest.names

    def written(
        self, task: str, choice: ResultRow, best: ResultRow, runner_up: ResultRow | None, best_of_all: ResultRow
    ) -> str:
        """All clauses that have something to say."""
        clauses = [
            self._take(task, choice, best),
            self._noise(choice, best, runner_up),
            self._on_other_hardware(best),
            self._price_of_limits(choice, best_of_all),
            self._against_baselines(choice, best),
            self._seeds(choice),
            self.contest.late,
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
        ratio = self.contest.cost_ratio(choice, best)
        at = f" at {times(ratio)} its {COST_WORDS[self.contest.select.cost]}" if ratio is not None else ""
        return f"{start}, within the interval of the best ({self.names[best.runs]}, {mean_and_interval(best)}){at}."

    def _noise(self, choice: ResultRow, best: ResultRow, runner_up: ResultRow | None) -> str:
        if runner_up is None:
            return "Nothing else could be compared with it."
        amount = self._amount(choice, runner_up)
        seeds = count(min(choice.num_seeds, runner_up.num_seeds), "seed")
        if choice is not best and self.contest.leads(best, choice):
            return (
                f"On the same subjects the best is better by {amount}, more than noise explains; this one costs less."
            )
        other = f"the next best ({self.names[runner_up.runs]}, {mean_and_interval(runner_up)})"
        if choice is best and self.contest.leads(choice, runner_up):
            return f"It is better than {other} by {amount}, more than noise explains."
        what = f"the difference of {amount}{f' to {other}' if choice is best else ''}"
        if self.contest.gap(choice, runner_up).low is None:
            return f"Whether {what} is noise is not known: there is no interval."
        return f"With {seeds} {what} is within noise."

    def _amount(self, row: ResultRow, other: ResultRow) -> str:
        """By how much they differ, in whichever direction, with its interval: `0.100 [0.086, 0.114]`."""
        gap = self.contest.gap(row, other)
        ends = [None if end is None else end * (-1 if gap.value < 0 else 1) for end in (gap.low, gap.high)]
        low, high = ends if gap.value >= 0 else reversed(ends)
        return f"{score(abs(gap.value))} {interval(low, high)}".strip()

    def _on_other_hardware(self, best: ResultRow) -> str:
        """What would be near enough to the best, had its cost been measured on the same hardware."""
        if self.contest.select.rule == "best":
            return ""
        near = [
            row
            for row in self.contest.scored
            if self.contest.fits(row) and known_value(row.quality) >= self.contest.edge(best)
        ]
        elsewhere = [self.names[row.runs] for row in near if not self.contest.is_comparable(row, best)]
        if not elsewhere:
            return ""
        ran = "it ran" if len(elsewhere) == 1 else "they ran"
        words = COST_WORDS[self.contest.select.cost]
        return f"Not compared by {words}, since {ran} on other hardware: {listed(elsewhere)}."

    def _price_of_limits(self, choice: ResultRow, best_of_all: ResultRow) -> str:
        if not self.contest.limits:
            return ""
        kept = listed(limit(field, most) for field, most in self.contest.limits.items())
        machines = sorted({str(row.hardware_id) for row in self.contest.scored})
        each = ""
        if len(machines) > 1 and set(self.contest.limits) - HARDWARE_FREE:
            each = f" Each configuration was held to them by what it took on its own hardware ({listed(machines)})."
        if self.contest.fits(best_of_all):
            return f"It keeps the limits: {kept}.{each}"
        return (
            f"It keeps the limits ({kept}), which the best of all does not: {self.names[best_of_all.runs]}, "
            f"{mean_and_interval(best_of_all)}.{each}"
        )

    def _against_baselines(self, choice: ResultRow, best: ResultRow) -> str:
        """What the choice adds to counted words, and to its own model untuned."""
        rivals = [row for row in self.contest.scored if row.is_baseline and row.method != "majority"]
        rivals = [row for row in rivals if row.subset == choice.subset]
        others = [row for row in rivals if row.model in ("none", choice.model) and row is not choice]
        if choice.is_baseline:
            others = [] if choice.model == "none" else others
            untuned = "" if best.is_baseline else "There is no evidence that a fine-tuned model does better here."
            return " ".join(part for part in (untuned, self._against(choice, others)) if part)
        return self._against(choice, others)

    def _against(self, choice: ResultRow, others: Sequence[ResultRow]) -> str:
        """`It beats A (…) by 0.021. You have no evidence that it beats B (…).`"""
        beaten = [row for row in others if self.contest.leads(choice, row)]
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


def known_value(value: float | None) -> float:
    """A value that is there, as of a configuration with a score."""
    assert value is not None
    return value
