"""Reasons why no metric has a value on some predictions, whatever the metric."""

from __future__ import annotations

import numpy as np

from clinpeft.metrics.base import Predictions
from clinpeft.spec import Kind


def absence(predictions: Predictions, kinds: tuple[Kind, ...]) -> str | None:
    """Why a metric for `kinds` cannot be computed (`no examples`, `no gold labels`), or None."""
    if predictions.kind not in kinds:
        return f"not defined for {predictions.kind}"
    if len(predictions) == 0:
        return "no examples"
    if predictions.kind == "entities":
        return None if predictions.gold_tags else "no gold labels"
    if predictions.gold is None:
        return "no gold labels"
    if predictions.scores is None:
        return "no scores"
    if not np.isfinite(predictions.scores).all():
        return "some scores are not finite"
    if predictions.missing is not None and bool(predictions.missing.all()):
        return "no label was annotated"
    return None
