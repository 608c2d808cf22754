"""Learning curves: how the best configurations came along while they trained, from the curve that each run keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from clinpeft.report.axes import linear_ticks
from clinpeft.report.load import LoadedRun
from clinpeft.report.marks import NUM_COLOURS
from clinpeft.report.plots import Line, Plot, drawn
from clinpeft.runs.curves import read_curve

MOST_LINES = NUM_COLOURS
"""Configurations drawn: as many as there are colours."""


@dataclass(frozen=True)
class Learning:
    """The drawing, and the names of its lines by colour."""

    plot: Markup
    names: list[tuple[str, int]]
    metric: str
    """What the runs' weights were chosen by."""


def learning(found: Sequence[tuple[str, Sequence[LoadedRun]]]) -> Learning | None:
    """Each configuration's first successful run; None where no run keeps a curve of two points or more.

    found: names and successful runs, the best first. Raises BadInput for a curve that breaks its schema.
    """
    lines: list[Line] = []
    metrics: dict[str, None] = {}
    for name, runs in found:
        curve = read_curve(runs[0].folder) if runs and len(lines) < MOST_LINES else None
        points = tuple((float(point.step), point.score) for point in curve.points) if curve else ()
        known = tuple((step, score) for step, score in points if score is not None)
        if curve is not None and len(known) > 1:
            lines.append(Line(name, known, colour=len(lines)))
            metrics[curve.metric] = None
    if not lines:
        return None
    scores = [score for line in lines for _, score in line.points]
    ends = linear_ticks(min(scores), max(scores), 5)
    metric = ", ".join(metrics)
    plot = Plot(
        title="Learning curves",
        x_title="optimiser steps",
        y_title=metric,
        x_range=(0, 1.02 * max(step for line in lines for step, _ in line.points)),
        y_range=(ends[0], ends[-1]),
        lines=tuple(lines),
    )
    return Learning(drawn(plot, "wide"), [(line.name, place) for place, line in enumerate(lines)], metric)
