"""Small line plots: what is drawn, apart from how; here as inline SVG, in the board's PDF by its own hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10

from markupsafe import Markup, escape

from clinpeft.metrics.calibration import NUM_BARS, Calibration
from clinpeft.metrics.net_benefit import DecisionCurve
from clinpeft.metrics.precision_recall import PrecisionRecall
from clinpeft.report.chart import Scale, linear_ticks

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
            Line("what they should be", ((0.0, 0.0), (1.0, 1.0)), is_reference=True),
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


def svg(plot: Plot, width: int = 370, height: int = 300) -> Markup:
    """The plot in the page's colours; its title and lines are named for a screen reader, its numbers stand in
    evaluation.json."""
    left, right, top, bottom = 44, 10, 26, 40
    x = Scale(*plot.x_range, left, width - right)
    y = Scale(*plot.y_range, height - bottom, top)
    parts = [*_frame(plot, x, y, width, height), *_bars(plot, x, y)]
    if plot.band:
        edge = [*plot.band[0], *reversed(plot.band[1])]
        corners = "L".join(f"{x(a):.1f} {y(_within(b, plot.y_range)):.1f}" for a, b in edge)
        parts.append(f'<path class="band" d="M{corners}Z"/>')
    for line in plot.lines:
        if line.points:
            steps = "L".join(f"{x(a):.1f} {y(_within(b, plot.y_range)):.1f}" for a, b in line.points)
            kind = "reference" if line.is_reference else "curve"
            kind += "" if line.colour is None else f" c{line.colour}"
            parts.append(f'<path class="{kind}" d="M{steps}"><title>{escape(line.name)}</title></path>')
    names = ", ".join(line.name for line in plot.lines)
    label = escape(f"{plot.title}; {plot.y_title} against {plot.x_title}: {names}")
    start = f'<svg class="plot" viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{label}">'
    return Markup(f"{start}{''.join(parts)}</svg>")


def ticks(ends: tuple[float, float], most: int = 5) -> tuple[list[float], int]:
    """Round numbers within the ends, and how many digits they need."""
    found = [tick for tick in linear_ticks(*ends, most) if ends[0] - 1e-9 <= tick <= ends[1] + 1e-9]
    step = found[1] - found[0] if len(found) > 1 else 1.0
    return found, max(0, ceil(-log10(step) - 1e-9))


def _frame(plot: Plot, x: Scale, y: Scale, width: int, height: int) -> list[str]:
    floor, left, right = y.first_pixel, x.first_pixel, x.last_pixel
    parts = []
    y_ticks, digits = ticks(plot.y_range)
    for tick in y_ticks:
        parts.append(f'<path class="grid" d="M{left:.1f} {y(tick):.1f}H{right:.1f}"/>')
        text = f"{tick + 0.0:.{digits}f}"
        parts.append(f'<text class="tick-text end" x="{left - 6:.1f}" y="{y(tick) + 4:.1f}">{text}</text>')
    x_ticks, digits = ticks(plot.x_range)
    for tick in x_ticks:
        text = f"{tick + 0.0:.{digits}f}"
        parts.append(f'<text class="tick-text middle" x="{x(tick):.1f}" y="{floor + 16:.1f}">{text}</text>')
    parts.append(f'<path class="axis" d="M{left:.1f} {floor:.1f}H{right:.1f}"/>')
    parts.append(f'<text class="axis-text" x="4" y="14">{escape(plot.y_title)}</text>')
    parts.append(f'<text class="axis-text end" x="{right:.1f}" y="{height - 6}">{escape(plot.x_title)}</text>')
    return parts


def _bars(plot: Plot, x: Scale, y: Scale) -> list[str]:
    """At most a fifth as high as the plot; a hidden count is an empty box."""
    if not plot.bars:
        return []
    step = (plot.x_range[1] - plot.x_range[0]) / len(plot.bars)
    tall = (y.first_pixel - y.last_pixel) / 5
    parts = []
    for place, height in enumerate(plot.bars):
        start, end = x(plot.x_range[0] + place * step) + 1, x(plot.x_range[0] + (place + 1) * step) - 1
        if height == 0:
            continue
        kind, pixels = ("bar-hidden", 3.0) if height is None else ("bar-count", max(1.0, tall * height))
        top = y.first_pixel - pixels
        parts.append(f'<path class="{kind}" d="M{start:.1f} {y.first_pixel:.1f}V{top:.1f}H{end:.1f}v{pixels:.1f}Z"/>')
    return parts


def _within(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])


def _points(x: Sequence[float], y: Sequence[float]) -> Points:
    return tuple(zip(x, y, strict=True))
