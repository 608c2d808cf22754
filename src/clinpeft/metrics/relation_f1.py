"""Relation F1."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.metrics._f1 import F1Metric, f1
from clinpeft.metrics.base import Floats
from clinpeft.spec import Kind


class RelationF1(F1Metric):
    """Micro F1 over the relation labels other than `none`; a relation predicted for a `none` pair is an error.

    Equal to sklearn's `f1_score(labels=<all but none>, average="micro")` and the i2b2 2010 relation score.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("relations",)
    degenerate: ClassVar[str] = "no relation is present or predicted"
    title: ClassVar[str] = "F1 of the relations found, pairs without a relation left out of the reward"
    citation: ClassVar[str] = "Uzuner et al. 2011, doi:10.1136/amiajnl-2011-000203"

    def average(self, true_positives: Floats, predicted: Floats, gold: Floats) -> Floats:
        return f1(true_positives.sum(axis=1), predicted.sum(axis=1), gold.sum(axis=1))
