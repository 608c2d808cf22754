"""Draw quality against cost for the tasks of a study, as one SVG file that stands alone (the README's figure).

    python benchmarks/figure.py OUT/report/results.json docs/figures/quality-against-cost.svg [TASK]...

Every panel shows one task on its headline metric, on the validation split: means with 95 % intervals against training
time, the Pareto front as a dashed line, and the recommended configuration in a ring. All tasks of the study are drawn
unless some are named. As in the report, the baseline that always answers the most frequent class is left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from markupsafe import escape

from clinpeft.errors import BadInput
from clinpeft.files import write_atomic
from clinpeft.frozen import parse_json
from clinpeft.report.chart import BASELINE_SHAPE, ChartPoint, chart, symbol
from clinpeft.report.pareto import front
from clinpeft.report.results import ResultRow, Results
from clinpeft.report.wording import configuration, method_labels
from clinpeft.spec import CostField

COST: CostField = "train_seconds"
WIDTH, HEIGHT = 470, 300
"""Of a panel, in CSS pixels."""
TITLE, LINE = 30, 22
"""Height of a panel's title, and of a line of the legend below all panels."""


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
    methods = sorted({row.method for row in everything if row.model != "none"})
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
    return f"{start}<title>{escape(results.study.name)}</title><style>{_style(body)}</style>{ground}{body}</svg>\n"


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
    choice = next((item.choice for item in results.recommendations if item.task == task), None)
    on_front = front([(row.quality, row.burden(COST)) for row in rows])
    points = []
    for row, label, is_on_front in zip(rows, method_labels(rows), on_front, strict=True):
        is_baseline = row.model == "none"
        mean, seconds = row.mean, row.burden(COST)
        assert mean is not None and seconds is not None
        points.append(
            ChartPoint(
                name=label if is_baseline else f"{row.model} · {label}",
                tooltip=configuration(row.model, label),
                mean=mean,
                low=row.low,
                high=row.high,
                cost=seconds,
                colour=None if is_baseline else models.index(row.model),
                shape=BASELINE_SHAPE if is_baseline else methods.index(row.method),
                is_on_front=is_on_front,
                is_choice=choice is not None and choice.run in row.runs,
            )
        )
    drawing = chart(points, COST, rows[0].metric, width=WIDTH, height=HEIGHT)
    placed = str(drawing).replace("<svg ", f'<svg x="{left}" y="{top + TITLE}" height="{HEIGHT}" ', 1)
    return f'<text class="axis-text" x="{left + 4}" y="{top + 20}">{escape(task)}</text>{placed}'


def _legend(
    models: Sequence[str], methods: Sequence[str], rows: Sequence[ResultRow], top: int, width: int
) -> tuple[list[str], int]:
    """Models by colour, then methods by shape from a new line on; and where the legend ends."""
    baselines = sorted({label for row, label in zip(rows, method_labels(rows), strict=True) if row.model == "none"})
    by_colour = [(model, symbol(0, index, 0, 0)) for index, model in enumerate(models)]
    by_shape = [(method, symbol(index, None, 0, 0)) for index, method in enumerate(methods)]
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


def _style(body: str) -> str:
    """The report's colours and its rules for what is drawn; the page's own rules are left out."""
    sheet = files("clinpeft.report").joinpath("style.css").read_text(encoding="utf-8")
    light = re.search(r":root \{.*?\}", sheet, re.DOTALL)
    dark = re.search(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{.*?\}\s*\}", sheet, re.DOTALL)
    assert light is not None and dark is not None
    drawn = {name for names in re.findall(r'class="([^"]*)"', body) for name in names.split()} - {"chart"}
    rules = [line for line in sheet.splitlines() if line.startswith("svg ") or drawn & _classes_of(line)]
    return "\n".join([light[0], dark[0], *rules, ".ground { fill: var(--card); }"])


def _classes_of(line: str) -> set[str]:
    """The classes that the rules on a line are for, the first of each selector; none inside a block."""
    return set(re.findall(r"\.([\w-]+)[^{},]*[{,]", line)) if line.startswith(".") else set()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python benchmarks/figure.py RESULTS.json OUT.svg [TASK]...")
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        write_atomic(out, figure(parse_json(Results, source.read_bytes(), str(source)), sys.argv[3:]))
    except (BadInput, OSError) as error:
        sys.exit(f"figure: {error}")
    print(out)
