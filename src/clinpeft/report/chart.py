"""Quality against cost as a Plotly figure: colour is the model, shape the method; the Pareto front is a step line.

The figure is plain JSON. Under `costs` it names the costs that can stand on its axis, and under `others` what changes
in its data and layout for each of them but the first. Colours are the page's own (`var(--c0)`), put in when drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log10
from typing import Any

from markupsafe import escape

from clinpeft.report.axes import cost_axis, rounded
from clinpeft.report.marks import NUM_COLOURS
from clinpeft.report.results import MORE_IS_BETTER, CostSummary
from clinpeft.report.wording import COST_WORDS, cost, percent, spread
from clinpeft.spec import CostField

SYMBOLS = (
    *("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "hexagon2"),
    *("triangle-left", "triangle-right", "hourglass", "star"),
)
"""Plotly's names for the shapes of `marks.symbol`."""


@dataclass(frozen=True)
class ChartPoint:
    """One configuration in the chart."""

    model: str
    method: str
    name: str
    """For its label."""
    details: tuple[str, ...]
    """Lines of the text that is shown when it is pointed at, costs left out."""
    mean: float
    low: float | None
    high: float | None
    costs: Mapping[CostField, CostSummary]
    """Those that may be compared with the other points'; each has a mean."""
    on_front: frozenset[CostField]
    """Against which costs it is on the front."""
    front_chances: Mapping[CostField, float | None]
    """Of standing on the front, against each of these costs."""
    colour: int | None
    """None for a baseline."""
    shape: int
    is_choice: bool

    @property
    def owner(self) -> dict[str, str]:
        """What the legend switches it by."""
        return {"model": self.model, "method": self.method}

    def cost(self, field: CostField) -> float | None:
        """The mean, rounded; None where it may not be compared."""
        mean = self.costs[field].mean if field in self.costs else None
        return None if mean is None else rounded(mean)


def chart(points: Sequence[ChartPoint], fields: Sequence[CostField], metric: str) -> dict[str, Any]:
    """The figure of one point or more against the first of `fields`, and what it takes to show the others.

    Each field has a cost of one point at least. Traces: the front, one for each model and method, and the ring around
    the choice (empty without one). Annotations: the names of what is on the front, to be placed where there is room.
    """
    points = sorted(points, key=lambda point: (point.model, point.method, point.name))
    groups = [list(group) for _, group in groupby(points, key=lambda point: (point.model, point.method))]
    still = [_FRONT, *map(_group, groups), _ring(points)]
    first, *others = (_against(points, groups, field) for field in fields)
    return {
        "data": [{**fixed, **moving} for fixed, moving in zip(still, first["data"], strict=True)],
        "layout": {**first["layout"], "yaxis": {"range": _quality_range(points), "title": {"text": metric}}},
        "costs": [COST_WORDS[field] for field in fields],
        "others": others,
    }


_FRONT = {
    "type": "scatter",
    "mode": "lines",
    "line": {"shape": "hv", "color": "var(--accent)", "dash": "dash", "width": 1.6},
    "hoverinfo": "skip",
}


def _group(points: Sequence[ChartPoint]) -> dict[str, Any]:
    """What stays of a model and method whatever the cost."""
    found: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "meta": points[0].owner,
        "y": [rounded(point.mean) for point in points],
        "text": ["<br>".join(escape(line) for line in (point.name, *point.details)) for point in points],
        "hovertemplate": "%{text}<br>%{customdata}<extra></extra>",
    }
    if any(point.low is not None for point in points):
        ends = [(point.mean, point.low, point.high) for point in points]
        found["error_y"] = _whiskers(ends, points[0])
    return found


def _ring(points: Sequence[ChartPoint]) -> dict[str, Any]:
    chosen = [point for point in points if point.is_choice]
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": chosen[0].owner if chosen else {},
        "y": [rounded(point.mean) for point in chosen],
        "marker": {"symbol": "circle-open", "size": 22, "color": "var(--accent)", "line": {"width": 2.2}},
        "hoverinfo": "skip",
    }


def _against(points: Sequence[ChartPoint], groups: Sequence[Sequence[ChartPoint]], field: CostField) -> dict[str, Any]:
    """What belongs to one cost: places, fronts and the axis."""
    known = [point.costs[field] for point in points if field in point.costs]
    ends = [end for each in known for end in (each.mean, each.low, each.high) if end is not None]
    axis = cost_axis(ends, field)
    return {
        "data": [
            _steps(points, field, axis),
            *(_placed(group, field) for group in groups),
            {"x": [point.cost(field) for point in points if point.is_choice]},
        ],
        "layout": {"xaxis": axis, "annotations": _names(points, field, axis["type"] == "log")},
    }


def _names(points: Sequence[ChartPoint], field: CostField, is_log: bool) -> list[dict[str, Any]]:
    """Of what is on the front and of the choice; on a logarithmic axis an annotation stands at a power of ten."""
    return [
        {
            "x": rounded(log10(value)) if is_log else value,
            "y": rounded(point.mean),
            "text": str(escape(point.name)),
            "owner": point.owner,
            "is_choice": point.is_choice,
        }
        for point in points
        if (value := point.cost(field)) is not None and (field in point.on_front or point.is_choice)
    ]


def _steps(points: Sequence[ChartPoint], field: CostField, axis: Mapping[str, Any]) -> dict[str, Any]:
    """What can be had at most for a cost: through the front, on to the edge where cost is no object."""
    front = [
        (value, rounded(point.mean)) for point in points if field in point.on_front and (value := point.cost(field))
    ]
    front.sort(reverse=field in MORE_IS_BETTER)
    if not front:
        return {"x": [], "y": []}
    edge = axis["range"][0 if field in MORE_IS_BETTER else 1]
    edge = rounded(10**edge) if axis["type"] == "log" else edge
    return {"x": [*(x for x, _ in front), edge], "y": [*(y for _, y in front), front[-1][1]]}


def _placed(points: Sequence[ChartPoint], field: CostField) -> dict[str, Any]:
    shape, colour = points[0].shape, points[0].colour
    stands_out = [field in point.on_front or point.is_choice for point in points]
    found: dict[str, Any] = {
        "x": [point.cost(field) for point in points],
        "customdata": [_cost_in_words(point, field) for point in points],
        "marker": {
            "symbol": SYMBOLS[shape],
            "color": _colour(colour),
            "size": [12 if out else 10 for out in stands_out],
            "opacity": [1 if out else 0.5 for out in stands_out],
            "line": {"color": "var(--card)", "width": 1.2},
        },
    }
    costs = [point.costs.get(field) for point in points]
    if any(each is not None and each.low is not None for each in costs):
        found["error_x"] = _whiskers([(e.mean, e.low, e.high) if e else (None, None, None) for e in costs], points[0])
    return found


def _whiskers(ends: Sequence[tuple[float | None, float | None, float | None]], point: ChartPoint) -> dict[str, Any]:
    """Plotly's error bars of means with their lowest and highest; of length 0 where there are none."""

    def length(start: float | None, end: float | None) -> float:
        return 0.0 if start is None or end is None else rounded(end - start)

    return {
        "type": "data",
        "symmetric": False,
        "array": [length(mean, high) for mean, _, high in ends],
        "arrayminus": [length(low, mean) for mean, low, _ in ends],
        "color": _colour(point.colour) + "66",
        "thickness": 1.3,
        "width": 2.5,
    }


def _cost_in_words(point: ChartPoint, field: CostField) -> str:
    if field not in point.costs:
        return ""
    summary = point.costs[field]
    between = spread(field, summary)
    line = f"{COST_WORDS[field]} {cost(field, summary.mean)}{f' ({between})' if between else ''}"
    if (chance := point.front_chances.get(field)) is not None:
        line += f"<br>on the front in {percent(chance)} of draws"
    return line


def _quality_range(points: Sequence[ChartPoint]) -> list[float]:
    ends = [end for point in points for end in (point.low, point.high, point.mean) if end is not None]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.05
    return [rounded(low - room), rounded(high + room)]


def _colour(colour: int | None) -> str:
    return "var(--grey)" if colour is None else f"var(--c{colour % NUM_COLOURS})"
