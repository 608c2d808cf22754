"""Line plots: what is drawn, apart from how; on the page by Plotly, in the board's PDF by its own hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any, Literal

from markupsafe import Markup, escape

from clinpeft.metrics.calibration import NUM_BARS, Calibration
from clinpeft.metrics.net_benefit import DecisionCurve
from clinpeft.metrics.precision_recall import PrecisionRecall
from clinpeft.report.axes import rounded

MOST_MARKERS = 24
"""Points of a line that are marked one by one."""
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Line:
    """A line and what it is; reference lines are drawn thin and dashed."""

    name: str
    points: Points
    is_reference: bool = False
    colour: int | None = None
    """Of the page's colours of models; None for the accent."""


@dataclass(frozen=True)
class Plot:
    """Lines with the band of the first one; bars, when there are any, stand along the floor."""

    title: str
    x_title: str
    y_title: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    lines: tuple[Line, ...]
    band: tuple[Points, Points] | None = None
    """Its lower and upper edge."""
    bars: tuple[float | None, ...] = ()
    """Heights from 0 to 1 over equal steps of x; None where a small count is hidden."""
    is_log: bool = False
    """Whether x is on a logarithmic scale; its ticks are then the first line's own values. On the page only."""


def calibration_plot(found: Calibration) -> Plot:
    """Observed share against predicted probability, with the diagonal and how often each probability is given."""
    curve = found.curve
    most = max((count for count in found.histogram if count), default=1)
    bars = tuple(None if count is None else count / most for count in found.histogram)
    return Plot(
        title=f"Calibration: {found.label}",
        x_title="predicted probability",
        y_title="observed share",
        x_range=(0, 1),
        y_range=(0, 1),
        lines=(
            Line("model", _points(curve.predicted, curve.observed)),
            Line("ideal", ((0.0, 0.0), (1.0, 1.0)), is_reference=True),
        ),
        band=(_points(curve.predicted, curve.low), _points(curve.predicted, curve.high)),
        bars=bars if len(bars) == NUM_BARS else (),
    )


def precision_recall_plot(found: PrecisionRecall) -> Plot:
    """Precision against recall, with the precision of guessing."""
    return Plot(
        title=f"Precision and recall: {found.label}",
        x_title="recall (share of cases found)",
        y_title="precision (share of flags right)",
        x_range=(0, 1),
        y_range=(0, 1),
        lines=(
            Line("model", _points(found.recall, found.precision)),
            Line("guessing", ((0.0, found.prevalence), (1.0, found.prevalence)), is_reference=True),
        ),
        band=(_points(found.recall, found.low), _points(found.recall, found.high)),
    )


def net_benefit_plot(found: DecisionCurve) -> Plot:
    """Net benefit against the threshold, with treating everybody and treating nobody."""
    top = max(*found.model, *found.high, *found.treat_all, 0.01)
    floor = -0.2 * top
    everybody = tuple(point for point in _points(found.thresholds, found.treat_all) if point[1] >= floor)
    ends = found.thresholds[0], found.thresholds[-1]
    return Plot(
        title=f"Net benefit: {found.label}",
        x_title="threshold probability",
        y_title="net benefit",
        x_range=(0, ends[1]),
        y_range=(floor, top),
        lines=(
            Line("model", _points(found.thresholds, found.model)),
            Line("treat everybody", everybody, is_reference=True),
            Line("treat nobody", ((ends[0], 0.0), (ends[1], 0.0)), is_reference=True),
        ),
        band=(_points(found.thresholds, found.low), _points(found.thresholds, found.high)),
    )


def figure(plot: Plot) -> dict[str, Any]:
    """The plot as a Plotly figure in plain JSON; colours are the page's own (`var(--accent)`), put in when drawn."""
    x_range = [rounded(log10(end) if plot.is_log else end) for end in plot.x_range]
    x_axis: dict[str, Any] = {"range": x_range, "title": {"text": str(escape(plot.x_title))}}
    if plot.is_log:
        values = [x for x, _ in plot.lines[0].points]
        x_axis |= {"type": "log", "tickvals": values, "ticktext": [f"{value:,g}" for value in values]}
    y_axis = {"range": [rounded(end) for end in plot.y_range], "title": {"text": str(escape(plot.y_title))}}
    lines = [line for line in plot.lines if line.points]
    return {
        "data": [*_band(plot), *(_line(line, plot) for line in lines)],
        "layout": {
            "xaxis": x_axis,
            "yaxis": y_axis,
            "shapes": _bars(plot),
            "annotations": [_name(line, plot) for line in lines if line.is_reference],
        },
    }


def drawn(plot: Plot, size: Literal["small", "wide"] = "small", *, is_titled: bool = False) -> Markup:
    """The plot as it stands on the page, its title above it if asked for; title and lines are named for a screen
    reader."""
    names = ", ".join(line.name for line in plot.lines)
    title = Markup('<p class="plot-title">{}</p>').format(plot.title) if is_titled else Markup("")
    return title + embedded(figure(plot), f"{plot.title}; {plot.y_title} against {plot.x_title}: {names}", size)


def embedded(content: Mapping[str, Any], label: str, size: Literal["small", "wide", "tall"]) -> Markup:
    """A Plotly figure as the page's script finds it: data in a script element that is never run, keys sorted, the signs
    that could end the element written as their numbers. label: what a screen reader says."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    for sign in "&<>":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    start = f'<div class="plot {size}" role="group" tabindex="0" aria-label="{escape(label)}">'
    return Markup(f'{start}<script type="application/json">{text}</script></div>')


def _band(plot: Plot) -> list[dict[str, Any]]:
    if not plot.band:
        return []
    edge = [*plot.band[0], *reversed(plot.band[1])]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            **_coordinates(edge),
            "fill": "toself",
            "fillcolor": "var(--accent)2e",
            "line": {"width": 0},
            "hoverinfo": "skip",
        }
    ]


def _line(line: Line, plot: Plot) -> dict[str, Any]:
    if line.is_reference:
        look = {"color": "var(--grey)", "width": 1.3, "dash": "dash"}
        return {"type": "scatter", "mode": "lines", **_coordinates(line.points), "line": look, "hoverinfo": "skip"}
    colour = "var(--accent)" if line.colour is None else f"var(--c{line.colour})"
    found: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers" if len(line.points) <= MOST_MARKERS else "lines",
        **_coordinates(line.points),
        "line": {"color": colour, "width": 2.2},
        "marker": {"color": colour, "size": 6},
        "hovertemplate": f"{escape(plot.x_title)} %{{x:,.4~g}}<br>{escape(plot.y_title)} %{{y:.3f}}<extra></extra>",
    }
    if sum(not other.is_reference for other in plot.lines) > 1:
        found["hovertemplate"] = f"{escape(line.name)}<br>{found['hovertemplate']}"
    if plot.band and len(plot.band[0]) == len(line.points):
        ends = zip(plot.band[0], plot.band[1], strict=True)
        found["customdata"] = [f"[{low:.3f}, {high:.3f}]" for (_, low), (_, high) in ends]
        found["hovertemplate"] = found["hovertemplate"].replace("<extra>", " %{customdata}<extra>")
    return found


def _name(line: Line, plot: Plot) -> dict[str, Any]:
    """A reference line's name at its end: above it, or below where it ends in the corner."""
    x, y = line.points[-1]
    is_at_edge = x > (plot.x_range[0] + plot.x_range[1]) / 2
    is_on_top = y >= plot.y_range[1]
    return {
        "x": rounded(x),
        "y": rounded(y),
        "text": str(escape(line.name)),
        "xanchor": "right" if is_at_edge else "left",
        "yanchor": "top" if is_on_top else "bottom",
        "yshift": -24 if is_on_top else 0,
    }


def _bars(plot: Plot) -> list[dict[str, Any]]:
    """At most a fifth as high as the plot; a hidden count is an empty box."""
    step = (plot.x_range[1] - plot.x_range[0]) / max(1, len(plot.bars))
    floor, room = plot.y_range[0], step * 0.06
    tall = (plot.y_range[1] - floor) / 5
    return [
        {
            "type": "rect",
            "layer": "below",
            "x0": rounded(plot.x_range[0] + place * step + room),
            "x1": rounded(plot.x_range[0] + (place + 1) * step - room),
            "y0": rounded(floor),
            "y1": rounded(floor + tall * (0.06 if height is None else max(0.02, height))),
            "fillcolor": "rgba(0,0,0,0)" if height is None else "var(--grey)59",
            "line": {"color": "var(--grey)", "width": 1 if height is None else 0},
        }
        for place, height in enumerate(plot.bars)
        if height != 0
    ]


def _coordinates(points: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
    return {"x": [rounded(x) for x, _ in points], "y": [rounded(y) for _, y in points]}


def _points(x: Sequence[float], y: Sequence[float]) -> Points:
    return tuple(zip(x, y, strict=True))
