"""Entity F1, averaged over types."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import mean_of_defined
from clinpeft.metrics._entities import EntityMetric
from clinpeft.metrics._f1 import f1
from clinpeft.metrics.base import Floats


class EntityF1Macro(EntityMetric):
    """F1 of every entity type, averaged with equal weight; types neither present nor predicted are left out.

    Equal to seqeval's `f1_score(mode="strict", scheme=IOB2, average="macro")`.
    """

    title: ClassVar[str] = "entity F1 averaged over types, rare ones counting as much as common ones"

    def from_totals(self, totals: Floats) -> Floats:
        true_positives, predicted, gold = np.split(totals, 3, axis=1)
        return mean_of_defined(f1(true_positives, predicted, gold))
