"""curve.json: how a run came along while it trained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clinpeft.files import write_atomic
from clinpeft.frozen import parse_json
from clinpeft.record import Curve, CurvePoint

CURVE = "curve.json"


def write_curve(folder: Path, metric: str, judged: Iterable[tuple[int, float, float, float | None]]) -> None:
    """Write a run's judgements (step, seconds of training and of evaluation until then, score) to its folder."""
    names = tuple(CurvePoint.model_fields)
    points = tuple(CurvePoint(**dict(zip(names, one, strict=True))) for one in judged)
    write_atomic(folder / CURVE, Curve(metric=metric, points=points).model_dump_json(by_alias=True, indent=1) + "\n")


def read_curve(folder: Path) -> Curve | None:
    """The curve in a run's folder; None for baselines and for runs of an older clinpeft."""
    path = folder / CURVE
    return parse_json(Curve, path.read_bytes(), str(path)) if path.is_file() else None
