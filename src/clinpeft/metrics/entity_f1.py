"""Entity F1."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from clinpeft.metrics._entities import EntityMetric
from clinpeft.metrics._f1 import f1
from clinpeft.metrics.base import Floats


class EntityF1(EntityMetric):
    """Micro F1 of entities: span and type must both be exact, tags are read strictly as IOB2.

    Equal to seqeval's `f1_score(mode="strict", scheme=IOB2)`, but undefined instead of 0 when there is no entity.
    """

    title: ClassVar[str] = "F1 of the entities found, exact in span and type"

    def from_totals(self, totals: Floats) -> Floats:
        true_positives, predicted, gold = (block.sum(axis=1) for block in np.split(totals, 3, axis=1))
        return f1(true_positives, predicted, gold)
