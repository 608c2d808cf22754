"""A task's chart of quality against cost: which configurations stand in it, against which costs, and what is said of
each when it is pointed at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from clinpeft.report.chances import front_chances
from clinpeft.report.chart import ChartPoint, chart
from clinpeft.report.contrasts import Contrast
from clinpeft.report.pareto import front
from clinpeft.report.plots import embedded
from clinpeft.report.results import HARDWARE_FREE, ResultRow
from clinpeft.report.wording import COST_WORDS, count, mean_and_interval, parameters
from clinpeft.spec import CostField

if TYPE_CHECKING:
    from clinpeft.report.task_section import RowView


def comparable(rows: Sequence[ResultRow], field: CostField) -> set[tuple[str, ...]]:
    """Which rows may stand in one chart, by their runs: they have score and cost, and where the hardware matters they
    come from the most used."""
    known = [row for row in rows if row.mean is not None and row.burden(field) is not None]
    if field in HARDWARE_FREE or not known:
        return {row.runs for row in known}
    counted = Counter(str(row.hardware_id) for row in known)
    most_used = min(counted, key=lambda name: (-counted[name], name))
    return {row.runs for row in known if str(row.hardware_id) == most_used}


def on_front(rows: Sequence[ResultRow], field: CostField) -> set[tuple[str, ...]]:
    """Which of the comparable rows stand on the Pareto front of their means, by their runs."""
    runs = comparable(rows, field)
    known = [row for row in rows if row.runs in runs]
    found = front([(row.quality, row.burden(field)) for row in known])
    return {row.runs for row, stands in zip(known, found, strict=True) if stands}


def against_cost(
    views: Sequence[RowView],
    left_out: RowView | None,
    fields: Sequence[CostField],
    models: Mapping[str, int],
    methods: Mapping[str, int],
    paired: Sequence[Contrast] = (),
) -> Markup:
    """The chart against the first of `fields`, and on demand against each other that tells two configurations or more
    apart; empty where nothing has the first. `left_out` counts for the front but is not drawn. `paired`: what the
    chances of standing on the front are drawn from, where predictions are kept."""
    rows = [view.row for view in views]
    drawn = [view for view in views if view is not left_out]
    runs = {field: comparable(rows, field) for field in dict.fromkeys(fields)}
    useful = [
        field for field in runs if field == fields[0] or _differs([view.row for view in drawn], field, runs[field])
    ]
    if not any(view.row.runs in runs[fields[0]] for view in drawn):
        return Markup("")
    fronts = {field: on_front(rows, field) for field in useful}
    chances = {field: _chances([row for row in rows if row.runs in runs[field]], field, paired) for field in useful}
    points = [
        _point(view, [field for field in useful if view.row.runs in runs[field]], fronts, chances, models, methods)
        for view in drawn
        if any(view.row.runs in runs[field] for field in useful)
    ]
    metric = views[0].row.metric
    what = f"{metric} against {COST_WORDS[fields[0]]}, {count(len(points), 'configuration')}"
    label = f"{what}; arrow keys go from one to the next, the table below holds the numbers"
    return embedded(chart(points, useful, metric), label, "tall")


def _differs(rows: Sequence[ResultRow], field: CostField, runs: Collection[tuple[str, ...]]) -> bool:
    return len({row.burden(field) for row in rows if row.runs in runs}) > 1


def _chances(
    rows: Sequence[ResultRow], field: CostField, paired: Sequence[Contrast]
) -> dict[tuple[str, ...], float | None]:
    return {row.runs: chance for row, chance in zip(rows, front_chances(rows, field, paired), strict=True)}


def _point(
    view: RowView,
    fields: Sequence[CostField],
    fronts: Mapping[CostField, Collection[tuple[str, ...]]],
    chances: Mapping[CostField, Mapping[tuple[str, ...], float | None]],
    models: Mapping[str, int],
    methods: Mapping[str, int],
) -> ChartPoint:
    row = view.row
    assert row.mean is not None
    details = [f"{row.metric} {mean_and_interval(row)}", count(row.num_seeds, "seed")]
    if row.trainable_parameters is not None:
        details.append(f"{parameters(row.trainable_parameters)} trainable parameters")
    return ChartPoint(
        model=row.model,
        method=row.method,
        name=view.label if row.model == "none" else f"{row.model} · {view.label}",
        details=tuple(details),
        mean=row.mean,
        low=row.low,
        high=row.high,
        costs={field: row.cost[field] for field in fields},
        on_front=frozenset(field for field, runs in fronts.items() if row.runs in runs),
        front_chances={field: chances[field][row.runs] for field in fields},
        colour=models.get(row.model),
        shape=methods[row.method],
        is_choice=view.is_choice,
    )
