"""Area under the ROC curve over the labels that are scored, where others are learned only to help them."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from clinpeft.metrics.auroc import Auroc
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind

LEARNED_ONLY = "+"


class AurocCodes(Auroc):
    """`auroc` over the labels that do not start with `+`; the others were learned only to help these.

    Van Aken et al. 2021 learn codes together with the words of their titles, and evaluate the codes.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("multilabel",)
    title: ClassVar[str] = "chance that a positive case is ranked above a negative one, over labels without a leading +"

    def undefined(self, predictions: Predictions) -> str | None:
        if predictions.kind == "multilabel":
            predictions = _scored(predictions)
            if not predictions.labels:
                return "every label starts with +: none is scored"
        return super().undefined(predictions)

    def remark(self, predictions: Predictions) -> str | None:
        scored = _scored(predictions)
        remark = super().remark(scored)
        num_others = len(predictions.labels) - len(scored.labels)
        others = f"not scored, as they start with +: {num_others}" if num_others else None
        return "; ".join(filter(None, (remark, others))) or None

    def values(self, predictions: Predictions, weights: Floats) -> Floats:
        return super().values(_scored(predictions), weights)


def _scored(predictions: Predictions) -> Predictions:
    is_scored = np.array([not label.startswith(LEARNED_ONLY) for label in predictions.labels], dtype=bool)
    if is_scored.all():
        return predictions
    return replace(
        predictions,
        labels=tuple(label for label in predictions.labels if not label.startswith(LEARNED_ONLY)),
        gold=None if predictions.gold is None else predictions.gold[:, is_scored],
        scores=None if predictions.scores is None else predictions.scores[:, is_scored],
        missing=None if predictions.missing is None else predictions.missing[:, is_scored],
        thresholds=None if predictions.thresholds is None else predictions.thresholds[is_scored],
    )
