"""A task's section of the page: its lines best first, plot, recommendation, and what its dataset's card says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clinpeft.data.card import SPLITS, Card
from clinpeft.errors import UnknownName
from clinpeft.report.against_cost import against_cost, comparable, on_front
from clinpeft.report.closer import Closer, closer
from clinpeft.report.configurations import Configuration
from clinpeft.report.contrasts import Contrast
from clinpeft.report.evaluation import Evaluation
from clinpeft.report.marks import forest, symbol
from clinpeft.report.matched import Match, matched
from clinpeft.report.results import Recommendation, ResultRow, Results
from clinpeft.report.truncation import entities_lost, texts_cut
from clinpeft.report.wording import configuration, method_labels, suppressed, validated_on
from clinpeft.spec import CostField, Select


@dataclass(frozen=True)
class RowView:
    """A configuration as a line of its task's table."""

    row: ResultRow
    """On validation, headline metric."""
    label: str
    name: str
    is_choice: bool
    is_on_front: bool
    symbol: Markup
    forest: Markup
    test: ResultRow | None
    others: Mapping[tuple[str, str], ResultRow]
    """All its rows by (split, metric)."""


@dataclass(frozen=True)
class TaskView:
    """A task's section."""

    name: str
    title: str
    is_not: str
    metric: str
    metric_title: str
    higher_is_better: bool
    rows: list[RowView]
    columns: list[tuple[str, str]]
    """(split, metric) of the table of all scores."""
    has_test: bool
    main_costs: list[CostField]
    """The study's cost, training time and peak memory."""
    cost_fields: list[CostField]
    chart: Markup
    """Empty when nothing can be drawn."""
    floor: RowView | None
    """The baseline that always answers the most frequent class; drawn, it would squeeze everything else."""
    num_undrawn: int
    """Configurations with a score that the chart lacks: other hardware, or no cost."""
    models: list[tuple[str, Markup]]
    methods: list[tuple[str, Markup]]
    recommendation: Recommendation
    choice: RowView | None
    card: Card | None
    labels: dict[str, dict[str, str]]
    """{label: {split: count}}, small counts hidden."""
    truncated: list[tuple[str, dict[str, float]]]
    entities_lost: list[tuple[str, dict[str, float]]]
    validated_on: list[str]
    """What was validated on, where it is not the validation split."""
    closer: Closer

    @property
    def matches(self) -> list[tuple[Match, list[RowView]]]:
        """Methods at a like number of trained parameters, by model."""
        views = {view.row.runs: view for view in self.rows}
        return [(match, [views[row.runs] for row in match.rows]) for match in matched([v.row for v in self.rows])]


def section(
    recommendation: Recommendation,
    results: Results,
    found: Sequence[Configuration],
    select: Select,
    models: dict[str, int],
    methods: dict[str, int],
    contrasts: Sequence[Contrast],
    evaluation: Evaluation | None,
) -> TaskView:
    """The section of the task that `recommendation` is about. models, methods: their colours and shapes."""
    name, metric = recommendation.task, recommendation.metric
    of_task = [row for row in results.rows if row.task == name]
    mine = [configuration for configuration in found if configuration.spec.task == name]
    views = _rows(of_task, recommendation, select, models, methods)
    drawn = comparable([view.row for view in views], select.cost)
    floor = next((view for view in views if _is_floor(view.row)), None)
    shown = [view for view in views if view.row.runs in drawn and view is not floor]
    cost_fields = list(dict.fromkeys(field for row in of_task for field in row.cost))
    card = next((configuration.card for configuration in mine if configuration.card), None)
    title, is_not = _registered(name)
    used = {view.row.method for view in shown}
    return TaskView(
        name=name,
        title=title,
        is_not=is_not,
        metric=metric,
        metric_title=metric_title(metric),
        higher_is_better=views[0].row.higher_is_better,
        rows=views,
        columns=list(
            dict.fromkeys((row.split, row.metric) for row in sorted(of_task, key=lambda row: row.split, reverse=True))
        ),
        has_test=any(view.test for view in views),
        main_costs=_main_costs(of_task, select.cost),
        cost_fields=cost_fields,
        chart=against_cost(views, floor, (select.cost, *cost_fields), models, methods, contrasts),
        floor=floor,
        num_undrawn=sum(view.row.mean is not None and view is not floor for view in views) - len(shown),
        models=[
            (model, symbol(0, models[model])) for model in models if any(view.row.model == model for view in views)
        ],
        methods=[(method, symbol(shape, None)) for method, shape in methods.items() if method in used],
        recommendation=recommendation,
        choice=next((view for view in views if view.is_choice), None),
        card=card,
        labels=_label_counts(card) if card else {},
        truncated=texts_cut(mine),
        entities_lost=entities_lost(mine),
        validated_on=list(
            dict.fromkeys(validated_on(one.spec.validation) for one in mine if one.spec.validation is not None)
        ),
        closer=closer(
            [view.row for view in views],
            {view.row.runs: view.name for view in views},
            contrasts,
            next((task for task in evaluation.tasks if task.task == name), None) if evaluation else None,
            evaluation.alert_rate if evaluation else 0.0,
            evaluation.prevalence if evaluation else None,
            {tuple(run.record.run for run in each.runs): each.successes() for each in mine},
        ),
    )


def metric_title(metric: str) -> str:
    """What a metric says, in one line; empty for one that is not known here."""
    from clinpeft.metrics.base import METRICS

    return METRICS.get(metric).title if metric in METRICS else ""


def _rows(
    of_task: Sequence[ResultRow],
    recommendation: Recommendation,
    select: Select,
    models: dict[str, int],
    methods: dict[str, int],
) -> list[RowView]:
    """The table's lines, best first, configurations without a score last."""
    metric, choice = recommendation.metric, recommendation.choice
    rows = [row for row in of_task if row.split == "validation" and row.metric == metric]
    labels = method_labels(rows)
    at_front = on_front(rows, select.cost)
    spread = [row for row in rows if not _is_floor(row)] or rows
    ends = [end for row in spread for end in (row.low, row.high, row.mean, *row.per_seed) if end is not None]
    start, end = (min(ends), max(ends)) if ends else (0.0, 0.0)
    views = []
    for row, label in zip(rows, labels, strict=True):
        colour = models.get(row.model)
        seeds = [seed for seed in row.per_seed if seed is not None]
        others: dict[tuple[str, str], ResultRow] = {
            (other.split, other.metric): other for other in of_task if other.runs == row.runs
        }
        views.append(
            RowView(
                row=row,
                label=label,
                name=configuration(row.model, label),
                is_choice=choice is not None and choice.run in row.runs,
                is_on_front=row.runs in at_front,
                symbol=symbol(methods[row.method], colour),
                forest=forest(row.low, row.high, row.mean, seeds, start, end, colour),
                test=others.get(("test", metric)),
                others=others,
            )
        )
    return sorted(views, key=lambda view: (view.row.quality is None, -(view.row.quality or 0), view.name))


def _is_floor(row: ResultRow) -> bool:
    return row.model == "none" and row.method == "majority"


def _main_costs(rows: Sequence[ResultRow], chosen: CostField) -> list[CostField]:
    has_gpu = any(row.cost["peak_device_bytes"].mean is not None for row in rows if "peak_device_bytes" in row.cost)
    return list(dict.fromkeys((chosen, "train_seconds", "peak_device_bytes" if has_gpu else "peak_host_bytes")))


def _label_counts(card: Card) -> dict[str, dict[str, str]]:
    shown = {
        split: suppressed(card.counts[split].labels, card.counts[split].examples)
        for split in SPLITS
        if split in card.counts
    }
    return {label: {split: counts.get(label, "0") for split, counts in shown.items()} for label in card.labels}


def _registered(task: str) -> tuple[str, str]:
    """Title and `is_not` of a registered task; empty for a task of one's own."""
    from clinpeft.tasks.base import TASKS

    try:
        entry = TASKS.get(task)
    except UnknownName:
        return "", ""
    return entry.title, entry.is_not
