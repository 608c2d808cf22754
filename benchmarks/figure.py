"""Draw quality against cost for the tasks of a study, as one SVG file that stands alone (the README's figure).

    python benchmarks/figure.py OUT/report/results.json docs/figures/quality-against-cost.svg [TASK]...

Every panel shows one task on its headline metric, on the validation split: means with 95 % intervals against training
time, the Pareto front as a dashed line, and the recommended configuration in a ring. All tasks of the study are drawn
unless some are named. As in the report, the baseline that always answers the most frequent class is left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from importlib.resources import files
from math import log10
from pathlib import Path
from typing import Any

from markupsafe import escape

from clinpeft.errors import BadInput
from clinpeft.files import write_atomic
from clinpeft.frozen import parse_json
from clinpeft.report.axes import cost_axis, ticks
from clinpeft.report.marks import BASELINE_SHAPE, symbol
from clinpeft.report.pareto import front
from clinpeft.report.results import ResultRow, Results
from clinpeft.report.wording import configuration, mean_and_interval, method_labels
from clinpeft.spec import CostField

COST: CostField = "train_seconds"
WIDTH, HEIGHT = 470, 300
"""Of a panel, in CSS pixels."""
LEFT, TOP, RIGHT, FLOOR = 48, 26, WIDTH - 14, HEIGHT - 42
"""Of what is inside a panel's axes."""
TITLE, LINE = 30, 22
"""Height of a panel's title, and of a line of the legend below all panels."""
RULES = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--soft); }
.end { text-anchor: end; } .middle { text-anchor: middle; } .strong { font-weight: 600; fill: var(--ink); }
.name { font-weight: 700; fill: var(--ink); paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); fill: none; } .ground { fill: var(--card); }
.whisker { fill: none; stroke: var(--c); stroke-width: 1.4; opacity: .55; } .behind { opacity: .5; }
"""
Place = Callable[[float], float]
"""From a value to its pixel."""


def figure(results: Results, tasks: Sequence[str] = ()) -> str:
    """The SVG text. Raises BadInput for a task that the study does not have, and when there is nothing to draw."""
    known = list(dict.fromkeys(row.task for row in results.rows))
    if unknown := sorted(set(tasks) - set(known)):
        raise BadInput(f"task '{unknown[0]}'", "is not in the results", f"known: {', '.join(known)}")
    drawn = {task: rows for task in tasks or known if (rows := _rows(results, task))}
    if not drawn:
        raise BadInput("results", "hold no configuration with a score and a training time")
    everything = [row for rows in drawn.values() for row in rows]
    models = sorted({row.model for row in everything if row.model != "none"})
    methods = sorted({row.method for row in everything if not row.is_baseline})
    columns = min(2, len(drawn))
    lines = -(-len(drawn) // columns)
    width, top = columns * WIDTH, lines * (HEIGHT + TITLE)
    panels = [
        _panel(task, rows, results, models, methods, index % columns * WIDTH, index // columns * (HEIGHT + TITLE))
        for index, (task, rows) in enumerate(drawn.items())
    ]
    legend, height = _legend(models, methods, everything, top, width)
    body = "".join([*panels, *legend])
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    ground = f'<rect class="ground" width="{width}" height="{height}" rx="12"/>'
    return f"{start}<title>{escape(results.study.name)}</title><style>{_style()}</style>{ground}{body}</svg>\n"


def _rows(results: Results, task: str) -> list[ResultRow]:
    """The task's configurations that can be drawn: on validation, headline metric, with a score and a time."""
    of_task = [row for row in results.rows if row.task == task and row.split == "validation"]
    return [
        row
        for row in of_task
        if row.metric == of_task[0].metric
        and row.mean is not None
        and row.burden(COST) is not None
        and (row.model, row.method) != ("none", "majority")
    ]


def _panel(
    task: str,
    rows: Sequence[ResultRow],
    results: Results,
    models: Sequence[str],
    methods: Sequence[str],
    left: int,
    top: int,
) -> str:
    """A task's name, and below it axes, front and marks in a drawing of their own."""
    points = [(row.burden(COST) or 0.0, row.mean or 0.0) for row in rows]
    ends = [end for row in rows for end in (row.low, row.high, row.mean) if end is not None]
    room = 0.06 * (max(ends) - min(ends)) or 0.05
    axis = cost_axis([across for across, _ in points], COST)
    is_log, heights = axis["type"] == "log", (min(ends) - room, max(ends) + room)

    def x(value: float) -> float:
        start, end = axis["range"]
        return LEFT + ((log10(value) if is_log else value) - start) / (end - start) * (RIGHT - LEFT)

    def y(value: float) -> float:
        return FLOOR + (value - heights[0]) / (heights[1] - heights[0]) * (TOP - FLOOR)

    stands = front([(row.quality, row.burden(COST)) for row in rows])
    best = sorted((x(across), y(up)) for (across, up), is_on in zip(points, stands, strict=True) if is_on)
    steps = "".join(f"H{across:.1f}V{up:.1f}" for across, up in best[1:])
    line = f'<path class="front" d="M{best[0][0]:.1f} {best[0][1]:.1f}{steps}H{RIGHT}"/>'
    chosen = next((item.choice.run for item in results.recommendations if item.task == task and item.choice), None)
    marks = []
    for row, label, is_on in zip(rows, method_labels(rows), stands, strict=True):
        colour = None if row.model == "none" else models.index(row.model)
        shape = BASELINE_SHAPE if row.is_baseline else methods.index(row.method) % BASELINE_SHAPE
        marks.append(_mark(row, configuration(row.model, label), x, y, colour, shape, is_on, chosen in row.runs))
    content = "".join([*_axes(axis, x, heights, y, rows[0].metric), line, *marks])
    start = f'<svg x="{left}" y="{top + TITLE}" width="{WIDTH}" height="{HEIGHT}">'
    return f'<text class="strong" x="{left + 4}" y="{top + 20}">{escape(task)}</text>{start}{content}</svg>'


def _axes(axis: dict[str, Any], x: Place, heights: tuple[float, float], y: Place, metric: str) -> list[str]:
    parts = []
    found, digits = ticks(heights, 6)
    for tick in found:
        parts.append(f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{RIGHT}"/>')
        parts.append(f'<text class="end" x="{LEFT - 7}" y="{y(tick) + 4:.1f}">{tick + 0.0:.{digits}f}</text>')
    for tick, text in zip(axis["tickvals"], axis["ticktext"], strict=True):
        parts.append(f'<path class="axis" d="M{x(tick):.1f} {FLOOR}v5"/>')
        parts.append(f'<text class="middle" x="{x(tick):.1f}" y="{FLOOR + 18}">{escape(text)}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {FLOOR}H{RIGHT}"/>')
    parts.append(f'<text class="strong" x="4" y="14">{escape(metric)}</text>')
    words = escape(axis["title"]["text"])
    return [*parts, f'<text class="strong end" x="{RIGHT}" y="{HEIGHT - 5}">{words}</text>']


def _mark(
    row: ResultRow, name: str, x: Place, y: Place, colour: int | None, shape: int, is_on_front: bool, is_choice: bool
) -> str:
    """Whiskers and mark; around the choice a ring, and above it its name."""
    across, up = x(row.burden(COST) or 0.0), y(row.mean or 0.0)
    whisker = ring = ""
    if row.low is not None and row.high is not None:
        caps = "".join(f"M{across - 3:.1f} {y(end):.1f}h6" for end in (row.low, row.high))
        kind = "c-none" if colour is None else f"c{colour % 7}"
        whisker = f'<path class="whisker {kind}" d="M{across:.1f} {y(row.low):.1f}V{y(row.high):.1f}{caps}"/>'
    if is_choice:
        half = 3.6 * len(name)
        middle = min(max(across, LEFT + half), RIGHT - half)
        above = max(y(row.high if row.high is not None else row.mean or 0.0) - 8, 12)
        ring = f'<circle class="ring" cx="{across:.1f}" cy="{up:.1f}" r="11"/>'
        ring += f'<text class="name middle" x="{middle:.1f}" y="{above:.1f}">{escape(name)}</text>'
    kind = "" if is_on_front or is_choice else ' class="behind"'
    title = f"<title>{escape(name)}: {escape(row.metric)} {escape(mean_and_interval(row))}</title>"
    return f"<g{kind}>{title}{whisker}{symbol(shape, colour, across, up, 6 if is_on_front else 5)}{ring}</g>"


def _legend(
    models: Sequence[str], methods: Sequence[str], rows: Sequence[ResultRow], top: int, width: int
) -> tuple[list[str], int]:
    """Models by colour, then methods by shape from a new line on; and where the legend ends."""
    baselines = sorted({label for row, label in zip(rows, method_labels(rows), strict=True) if row.is_baseline})
    by_colour = [(model, symbol(0, index, 0, 0)) for index, model in enumerate(models)]
    by_shape = [(method, symbol(index % BASELINE_SHAPE, None, 0, 0)) for index, method in enumerate(methods)]
    by_shape += [(name, symbol(BASELINE_SHAPE, None, 0, 0)) for name in baselines]
    parts, y = [], top - LINE + 18
    for entries in (by_colour, by_shape):
        x = float(width)
        for name, mark in entries:
            needed = 34 + 6.6 * len(name)
            if x + needed > width:
                x, y = 14.0, y + LINE
            parts.append(f'<g transform="translate({x:.0f} {y})">{mark}<text x="12" y="4">{escape(name)}</text></g>')
            x += needed
    return parts, y + LINE


def _style() -> str:
    """The report's colours, light and dark, and its rules for marks; and what only this drawing has."""
    sheet = files("clinpeft.report").joinpath("style.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root[^{]*(\{\s*(?:color-scheme[^;]*;)?\s*--paper.*?\})", sheet, re.DOTALL)[:2]
    marks = [line for line in sheet.splitlines() if line.startswith((".c0", ".c4", ".mark", ".front", ".ring"))]
    return "\n".join([f":root {light}", f"@media (prefers-color-scheme: dark) {{ :root {dark} }}", *marks, RULES])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python benchmarks/figure.py RESULTS.json OUT.svg [TASK]...")
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        write_atomic(out, figure(parse_json(Results, source.read_bytes(), str(source)), sys.argv[3:]))
    except (BadInput, OSError) as error:
        sys.exit(f"figure: {error}")
    print(out)
