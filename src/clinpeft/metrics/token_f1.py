"""Token F1."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import AdditiveMetric
from clinpeft.metrics._entities import DEGENERATE
from clinpeft.metrics._f1 import f1
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind


class TokenF1(AdditiveMetric):
    """F1 of the words that belong to an entity, whatever its type and borders: any tag but `O` counts.

    For de-identification (i2b2 2014) the binary score, PHI or not: what is hidden matters more than what it is called.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("entities",)
    degenerate: ClassVar[str] = DEGENERATE
    title: ClassVar[str] = "F1 of the words that belong to an entity, of whatever type"
    citation: ClassVar[str] = "Stubbs et al. 2015, doi:10.1016/j.jbi.2015.06.007 (binary, by token)"

    def statistics(self, predictions: Predictions) -> Floats:
        """Float [n, 3]: words in an entity of both, of the prediction, of the gold tags; a word beyond the prediction's
        end counts as `O`."""
        rows = []
        for gold, predicted in zip(predictions.gold_tags, predictions.predicted_tags, strict=True):
            num_shared = sum(left != "O" != right for left, right in zip(gold, predicted, strict=False))
            rows.append([num_shared, sum(tag != "O" for tag in predicted), sum(tag != "O" for tag in gold)])
        return np.array(rows, dtype=np.float64).reshape(-1, 3)

    def from_totals(self, totals: Floats) -> Floats:
        return f1(totals[:, 0], totals[:, 1], totals[:, 2])
