"""Small drawings that stand in tables and legends: the mark of a configuration, and its interval on the table's scale.

Colours come from the page's style sheet: classes `c0` to `c6` by model, `c-none` for baselines.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin

from markupsafe import Markup

NUM_COLOURS = 7
BASELINE_SHAPE = 10
"""Shapes below it are for methods."""


def symbol(shape: int, colour: int | None, x: float = 8, y: float = 8, size: float = 5) -> Markup:
    """The mark of a method (shape) and model (colour) as an SVG path around (x, y)."""
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
    width, height, room = 124, 20, 5
    if mean is None or start == end or not start <= mean <= end:
        return Markup("")

    def x(value: float) -> str:
        return f"{room + (value - start) / (end - start) * (width - 2 * room):.1f}"

    kind, middle = _colour(colour), height / 2
    bar = ""
    if low is not None and high is not None:
        bar = f'<path class="bar {kind}" d="M{x(low)} {middle}H{x(high)}"/>'
    dots = "".join(f'<circle class="seed {kind}" cx="{x(seed)}" cy="{middle}" r="2.4"/>' for seed in seeds)
    tick = f'<path class="tick {kind}" d="M{x(mean)} 3V{height - 3}"/>'
    svg = f'<svg class="forest" viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true">'
    track = f'<path class="track" d="M2 {middle}H{width - 2}"/>'
    return Markup(f"{svg}{track}{bar}{tick}{dots}</svg>")


def _outline(shape: int, size: float) -> list[tuple[float, float]]:
    """Corners of a mark: 1 square, 2 triangle, 3 diamond, 4 triangle upside down, 5 plus, 6 hexagon, 7 and 8 triangles
    to the left and right, 9 hourglass, 10 star."""
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
        7: [(-s * 1.15, 0), (s * 0.8, s * 1.1), (s * 0.8, -s * 1.1)],
        8: [(s * 1.15, 0), (-s * 0.8, s * 1.1), (-s * 0.8, -s * 1.1)],
        9: [(-s, -s), (s, -s), (-s, s), (s, s)],
        BASELINE_SHAPE: star,
    }[shape]


def _colour(colour: int | None) -> str:
    return "c-none" if colour is None else f"c{colour % NUM_COLOURS}"
