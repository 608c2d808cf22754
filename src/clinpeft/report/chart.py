"""Quality against cost as an inline SVG: means with intervals, the Pareto front, names where there is room.

Colours come from the page's style sheet (classes `c0` to `c6` by model, `c-none` for baselines); the shape tells the
method. Nothing is drawn that a screen reader needs: the table beside it holds the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, log10, pi, sin

from markupsafe import Markup, escape

from clinpeft.report.results import MORE_IS_BETTER
from clinpeft.report.wording import COST_WORDS, cost
from clinpeft.spec import CostField

NUM_COLOURS = 7
BASELINE_SHAPE = 7
"""Shapes below it are for methods."""
LOG_FROM = 8.0
"""A cost axis is logarithmic when the largest is more than so many times the smallest."""
SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000, 86400, 172800, 432000, 864000)


@dataclass(frozen=True)
class ChartPoint:
    """One configuration in the chart."""

    name: str
    """For its label."""
    tooltip: str
    mean: float
    low: float | None
    high: float | None
    cost: float
    colour: int | None
    """None for a baseline."""
    shape: int
    is_on_front: bool
    is_choice: bool


Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True)
class _Spot:
    """A place for a name."""

    box: Box
    baseline: float
    is_left: bool
    """Left of its mark, and set flush right."""


@dataclass(frozen=True)
class Scale:
    """From values to pixels."""

    start: float
    end: float
    first_pixel: float
    last_pixel: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        start, end, value = (log10(x) if self.is_log else x for x in (self.start, self.end, value))
        return self.first_pixel + (value - start) / (end - start) * (self.last_pixel - self.first_pixel)


def chart(points: Sequence[ChartPoint], field: CostField, metric: str, *, width: int, height: int) -> Markup:
    """The SVG, `width` by `height` CSS pixels at its natural size; empty text when there are no points."""
    if not points:
        return Markup("")
    left, right, top, bottom = 48, 14, 26, 42
    ends = [end for point in points for end in (point.low, point.high, point.mean) if end is not None]
    y_ticks = linear_ticks(min(ends), max(ends), 5 if height < 360 else 6)
    x_scale = _cost_scale([point.cost for point in points], left, width - right)
    y_scale = Scale(y_ticks[0], y_ticks[-1], height - bottom, top)
    x_ticks = _cost_ticks(x_scale, field, max(3, width // 110))
    parts = [
        *_axes(x_scale, y_scale, x_ticks, y_ticks, field, metric, width, height),
        _front_line(points, x_scale, y_scale, field, width - right),
        *(_mark(point, x_scale(point.cost), y_scale) for point in sorted(points, key=lambda point: point.is_on_front)),
        *_labels(points, x_scale, y_scale, left, width - right, top),
    ]
    label = escape(f"{metric} against {COST_WORDS[field]}; the table below holds the numbers")
    start = f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{label}">'
    return Markup(f"{start}{''.join(parts)}</svg>")


def symbol(shape: int, colour: int | None, x: float = 8, y: float = 8, size: float = 5) -> Markup:
    """The mark of a method (shape) and model (colour) as an SVG path around (x, y)."""
    shape = shape if shape == BASELINE_SHAPE else shape % BASELINE_SHAPE
    steps = "L".join(f"{x + dx:.1f} {y + dy:.1f}" for dx, dy in _outline(shape, size))
    if shape == 0:
        return Markup(f'<circle class="mark {_colour(colour)}" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"/>')
    return Markup(f'<path class="mark {_colour(colour)}" d="M{steps}Z"/>')


def forest(
    low: float | None,
    high: float | None,
    mean: float | None,
    seeds: Sequence[float],
    start: float,
    end: float,
    colour: int | None,
) -> Markup:
    """A row's interval (bar), mean (tick) and seeds (dots) on its table's scale; empty outside the scale."""
    width, height = 124, 20
    if mean is None or start == end or not start <= mean <= end:
        return Markup("")
    scale = Scale(start, end, 5, width - 5)
    kind, middle = _colour(colour), height / 2
    bar = ""
    if low is not None and high is not None:
        bar = f'<path class="bar {kind}" d="M{scale(low):.1f} {middle}H{scale(high):.1f}"/>'
    dots = "".join(f'<circle class="seed {kind}" cx="{scale(seed):.1f}" cy="{middle}" r="2.4"/>' for seed in seeds)
    tick = f'<path class="tick {kind}" d="M{scale(mean):.1f} 3V{height - 3}"/>'
    svg = f'<svg class="forest" viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true">'
    track = f'<path class="track" d="M2 {middle}H{width - 2}"/>'
    return Markup(f"{svg}{track}{bar}{tick}{dots}</svg>")


def _axes(
    x_scale: Scale,
    y_scale: Scale,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    field: CostField,
    metric: str,
    width: int,
    height: int,
) -> list[str]:
    floor_y, left, right = y_scale.first_pixel, x_scale.first_pixel, x_scale.last_pixel
    digits = max(0, ceil(-log10(y_ticks[1] - y_ticks[0]) - 1e-9))
    parts = []
    for tick in y_ticks:
        y = y_scale(tick)
        parts.append(f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>')
        parts.append(f'<text class="tick-text end" x="{left - 7:.1f}" y="{y + 4:.1f}">{tick + 0.0:.{digits}f}</text>')
    for tick in x_ticks:
        x = x_scale(tick)
        parts.append(f'<path class="axis" d="M{x:.1f} {floor_y:.1f}v5"/>')
        parts.append(
            f'<text class="tick-text middle" x="{x:.1f}" y="{floor_y + 18:.1f}">{escape(_tick(field, tick))}</text>'
        )
    parts.append(f'<path class="axis" d="M{left:.1f} {floor_y:.1f}H{right:.1f}"/>')
    words = COST_WORDS[field] + (" (log scale)" if x_scale.is_log else "")
    parts.append(f'<text class="axis-text" x="4" y="14">{escape(metric)}</text>')
    parts.append(f'<text class="axis-text end" x="{right:.1f}" y="{height - 5}">{escape(words)}</text>')
    return parts


def _mark(point: ChartPoint, x: float, y_scale: Scale) -> str:
    y, whisker = y_scale(point.mean), ""
    if point.low is not None and point.high is not None:
        low, high = y_scale(point.low), y_scale(point.high)
        whisker = (
            f'<path class="whisker {_colour(point.colour)}" '
            f'd="M{x:.1f} {low:.1f}V{high:.1f}M{x - 3:.1f} {low:.1f}h6M{x - 3:.1f} {high:.1f}h6"/>'
        )
    ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="11"/>' if point.is_choice else ""
    kind = "point" if point.is_on_front or point.is_choice else "point behind"
    mark = symbol(point.shape, point.colour, x, y, 6 if point.is_on_front else 5)
    return f'<g class="{kind}"><title>{escape(point.tooltip)}</title>{whisker}{ring}{mark}</g>'


def _front_line(points: Sequence[ChartPoint], x_scale: Scale, y_scale: Scale, field: CostField, edge: float) -> str:
    """What can be had at most for a cost: a staircase through the front, on to the edge where cost is no object."""
    on_front = sorted((point for point in points if point.is_on_front), key=lambda point: (point.cost, point.mean))
    if field in MORE_IS_BETTER:
        on_front.reverse()
        edge = x_scale.first_pixel
    if not on_front:
        return ""
    steps = "".join(f"H{x_scale(point.cost):.1f}V{y_scale(point.mean):.1f}" for point in on_front[1:])
    start = f"M{x_scale(on_front[0].cost):.1f} {y_scale(on_front[0].mean):.1f}"
    return f'<path class="front" d="{start}{steps}H{edge:.1f}"/>'


def _labels(
    points: Sequence[ChartPoint], x_scale: Scale, y_scale: Scale, left: float, right: float, top: float
) -> list[str]:
    """Names of the points on the front where they touch no mark and no other name; the choice has its name always."""
    places = [(x_scale(point.cost), y_scale(point.mean)) for point in points]
    taken = [(x - 10, y - 10, x + 10, y + 10) for x, y in places]
    named = [
        (point, place) for point, place in zip(points, places, strict=True) if point.is_on_front or point.is_choice
    ]
    parts = []
    for point, (x, y) in sorted(named, key=lambda item: (not item[0].is_choice, item[1])):
        spots = _spots(point, x, y, left, right)
        inside = [spot for spot in spots if _inside(spot.box, (left, top - 8, right, y_scale.first_pixel))]
        free = [spot for spot in inside if not any(_overlap(spot.box, other) for other in taken)]
        for spot in free[:1] or (spots[-1:] if point.is_choice else []):
            taken.append(spot.box)
            kind = f"{'name strong' if point.is_choice else 'name'}{' end' if spot.is_left else ''}"
            text_x = spot.box[2] if spot.is_left else spot.box[0]
            parts.append(f'<text class="{kind}" x="{text_x:.1f}" y="{spot.baseline:.1f}">{escape(point.name)}</text>')
    return parts


def _spots(point: ChartPoint, x: float, y: float, left: float, right: float) -> list[_Spot]:
    """Where a name may stand: beside its mark, right or left, and for the choice also well above or below it."""
    width, gap = 6.6 * len(point.name) + 4, 15 if point.is_choice else 12
    middle = min(max(x - width / 2, left), right - width)
    near = [(start, shift, start < x) for start in (x + gap, x - gap - width) for shift in (-6, 14)]
    far = [(middle, shift, False) for shift in (gap + 26, -gap - 18)] if point.is_choice else []
    return [
        _Spot((start, y + shift - 11, start + width, y + shift + 3), y + shift, is_left)
        for start, shift, is_left in near + far
    ]


def _inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _cost_scale(costs: Sequence[float], first: float, last: float) -> Scale:
    low, high = min(costs), max(costs)
    if low > 0 and high / low > LOG_FROM:
        room = (high / low) ** 0.06
        return Scale(low / room, high * room, first, last, is_log=True)
    return Scale(0, high * 1.08 or 1, first, last)


def _cost_ticks(scale: Scale, field: CostField, most: int) -> list[float]:
    """Round numbers within the scale, at most `most`; seconds in steps of the clock."""
    if not scale.is_log:
        steps = [step for step in SECONDS if scale.end / step <= most] if field.endswith("_seconds") else []
        if steps and scale.end > 1:
            return [float(tick) for tick in range(0, floor(scale.end) + 1, steps[0])]
        return [tick for tick in linear_ticks(0, scale.end, most) if tick <= scale.end]
    powers = range(floor(log10(scale.start)), ceil(log10(scale.end)) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    if field.endswith("_seconds"):
        ticks = [tick for tick in ticks if tick < 1] + [float(second) for second in SECONDS]
    ticks = [tick for tick in ticks if scale.start <= tick <= scale.end]
    return ticks[:: ceil(len(ticks) / most)] if ticks else []


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`."""
    if low == high:
        low, high = low - 0.05, high + 0.05
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(tick * step, 12) for tick in range(first, last + 1)]


def _tick(field: CostField, value: float) -> str:
    if not field.endswith("_seconds") or value < 60:
        return f"{value:g} s" if field.endswith("_seconds") and value >= 1 else cost(field, value)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value % size == 0:
            return f"{value // size:.0f} {unit}"
    return cost(field, value)


def _outline(shape: int, size: float) -> list[tuple[float, float]]:
    """Corners of a mark: 1 square, 2 triangle, 3 diamond, 4 triangle upside down, 5 plus, 6 hexagon, 7 star."""
    s, t = size, size * 0.38
    star = [(s * r * sin(k * pi / 5), -s * r * cos(k * pi / 5)) for k in range(10) for r in ((1.35, 0.58)[k % 2],)]
    return {
        0: [],
        1: [(-s * 0.9, -s * 0.9), (s * 0.9, -s * 0.9), (s * 0.9, s * 0.9), (-s * 0.9, s * 0.9)],
        2: [(0, -s * 1.15), (s * 1.1, s * 0.8), (-s * 1.1, s * 0.8)],
        3: [(0, -s * 1.25), (s * 1.25, 0), (0, s * 1.25), (-s * 1.25, 0)],
        4: [(0, s * 1.15), (s * 1.1, -s * 0.8), (-s * 1.1, -s * 0.8)],
        5: [(-t, -s), (t, -s), (t, -t), (s, -t), (s, t), (t, t), (t, s), (-t, s), (-t, t), (-s, t), (-s, -t), (-t, -t)],
        6: [(-s, 0), (-s / 2, -s), (s / 2, -s), (s, 0), (s / 2, s), (-s / 2, s)],
        BASELINE_SHAPE: star,
    }[shape]


def _colour(colour: int | None) -> str:
    return "c-none" if colour is None else f"c{colour % NUM_COLOURS}"
