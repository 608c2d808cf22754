"""A closer look at one task, ready for the template: who beats whom, every seed, and the evaluation of the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clinpeft.metrics.net_benefit import DecisionCurve
from clinpeft.metrics.operating_point import OperatingPoint, ppv_at
from clinpeft.metrics.subgroups import Subgroup
from clinpeft.report.contrasts import Contrast
from clinpeft.report.evaluation import Judged, TaskEvaluation
from clinpeft.report.learning import Learning, learning
from clinpeft.report.load import LoadedRun
from clinpeft.report.plots import calibration_plot, drawn, net_benefit_plot, precision_recall_plot
from clinpeft.report.results import ResultRow
from clinpeft.report.wording import BASELINE_WORDS, configuration, percent, score

MOST_DUELS = 12
"""Configurations in the table of who beats whom."""
ROLES = {"choice": "recommended", "runner_up": "runner-up", "baseline": "baseline"}


@dataclass(frozen=True)
class Duel:
    """One configuration against another, on the same subjects and seeds."""

    win: float
    """Share of the draws in which it is the better one."""
    difference: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval, which holds for all pairs of the task together, excludes zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class PointView:
    """A line of the table of thresholds."""

    name: str
    role: str
    rule: str
    point: OperatingPoint
    ppv_elsewhere: float | None


@dataclass(frozen=True)
class Closer:
    """What stands below a task's table."""

    duels: list[tuple[str, list[Duel | None]]]
    """Best first: each configuration against all, itself None."""
    judged: list[tuple[str, Judged]]
    """Names of the configurations that were looked at closely."""
    points: list[PointView]
    plots: list[tuple[str, list[Markup]]]
    """By label: calibration, precision and recall, net benefit."""
    useful: list[str]
    """What the net benefit says, in a sentence a label."""
    off: list[str]
    """Whose probabilities cannot be taken at their word."""
    subgroups: tuple[Subgroup, ...]
    split: str
    learning: Learning | None

    @property
    def has_more(self) -> bool:
        """Whether there is anything below a heading of its own: entities have neither probabilities nor thresholds."""
        left_out = any(item.left_out for _, item in self.judged if item.role == "choice")
        return bool(self.points or self.plots or self.subgroups or left_out or self.useful or self.off)


def closer(
    rows: Sequence[ResultRow],
    names: Mapping[tuple[str, ...], str],
    contrasts: Sequence[Contrast],
    evaluation: TaskEvaluation | None,
    alert_rate: float,
    prevalence: float | None,
    runs: Mapping[tuple[str, ...], Sequence[LoadedRun]],
) -> Closer:
    """rows: of the task's headline metric on validation, best first; names and successful runs: of configurations, by
    the ids of all their runs."""
    judged = [(_name(item), item) for item in evaluation.judged] if evaluation else []
    choice = evaluation.choice if evaluation else None
    points = [
        PointView(name, ROLES[item.role], rule, point, None if prevalence is None else ppv_at(point, prevalence))
        for name, item in judged
        for rule, of_rule in (
            ("as chosen on validation", item.points),
            (f"at most {percent(alert_rate)} flagged", item.points_at_alert_rate),
        )
        for point in of_rule
    ]
    return Closer(
        duels=_duels(rows, names, contrasts),
        judged=judged,
        points=points,
        plots=_plots(choice) if choice else [],
        useful=[_useful(item) for item in choice.net_benefit] if choice else [],
        off=[text for _, item in judged for text in off_in_words(item)],
        subgroups=choice.subgroups if choice else (),
        split=choice.split if choice else "validation",
        learning=learning([(names[row.runs], runs.get(row.runs, ())) for row in rows if row.mean is not None]),
    )


def off_in_words(item: Judged) -> list[str]:
    """`small with lora, yes: slope 0.512 [0.401, 0.630]` for each label whose probabilities are off."""
    return [
        f"{_name(item)}, {found.label}: slope {score(found.slope.value)} "
        f"[{score(found.slope.low)}, {score(found.slope.high)}]"
        for found in item.calibration
        if found.is_off
    ]


def _name(item: Judged) -> str:
    return configuration(item.model, BASELINE_WORDS.get(item.method, item.method))


def _duels(
    rows: Sequence[ResultRow], names: Mapping[tuple[str, ...], str], contrasts: Sequence[Contrast]
) -> list[tuple[str, list[Duel | None]]]:
    scored = [row for row in rows if row.mean is not None]
    held = next((found for found in contrasts if any(found.holds(row) for row in scored)), None)
    if held is None:
        return []
    best = [row for row in scored if held.holds(row)][:MOST_DUELS]
    table = [(names[row.runs], [_duel(held, row, other) for other in best]) for row in best]
    return table if len(best) > 1 else []


def _duel(held: Contrast, row: ResultRow, other: ResultRow) -> Duel | None:
    gap = held.difference(row, other)
    if row is other or gap is None or gap.low is None or gap.high is None:
        return None
    larger = float(held.comparison.win[held.places[row.runs], held.places[other.runs]])
    return Duel(larger if row.higher_is_better else 1 - larger, gap.value, gap.low, gap.high)


def _plots(choice: Judged) -> list[tuple[str, list[Markup]]]:
    found: dict[str, list[Markup]] = {}
    for calibration in choice.calibration:
        found.setdefault(calibration.label, []).append(drawn(calibration_plot(calibration)))
    for curve in choice.precision_recall:
        found.setdefault(curve.label, []).append(drawn(precision_recall_plot(curve)))
    for benefit in choice.net_benefit:
        found.setdefault(benefit.label, []).append(drawn(net_benefit_plot(benefit)))
    return list(found.items())


def _useful(found: DecisionCurve) -> str:
    if found.useful is None:
        return (
            f"{found.label}: at no threshold from {percent(found.thresholds[0])} to {percent(found.thresholds[-1])} is "
            "acting on the model better than treating everybody or nobody."
        )
    low, high = found.useful
    return (
        f"{found.label}: acting on the model is better than treating everybody or nobody at thresholds from "
        f"{percent(low)} to {percent(high)}."
    )
