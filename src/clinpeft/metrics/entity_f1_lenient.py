"""Entity F1 by overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import AdditiveMetric
from clinpeft.metrics._entities import DEGENERATE, Entity, strict_entities
from clinpeft.metrics._f1 import f1
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind


class EntityF1Lenient(AdditiveMetric):
    """Micro F1 of entities where any shared word and the right type are a hit; tags are read strictly as IOB2.

    Counts like the official evaluation of n2c2 2018: of several predicted entities on one gold entity the first is a
    hit and the others count nowhere; one predicted entity over several gold ones is one hit, and the rest are missed.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("entities",)
    degenerate: ClassVar[str] = DEGENERATE
    title: ClassVar[str] = "F1 of the entities found, right in type and at least touched"
    citation: ClassVar[str] = "Henry et al. 2020, doi:10.1093/jamia/ocz166 (lenient)"

    def statistics(self, predictions: Predictions) -> Floats:
        """Float [n, 3]: hits, predicted entities that count, gold entities."""
        pairs = zip(predictions.gold_tags, predictions.predicted_tags, strict=True)
        rows = [_counts(strict_entities(gold), strict_entities(predicted)) for gold, predicted in pairs]
        return np.array(rows, dtype=np.float64).reshape(-1, 3)

    def from_totals(self, totals: Floats) -> Floats:
        return f1(totals[:, 0], totals[:, 1], totals[:, 2])


def _counts(gold: Sequence[Entity], predicted: Sequence[Entity]) -> tuple[int, int, int]:
    met: set[Entity] = set()
    num_hits = num_counted = 0
    for entity in predicted:
        touched = {other for other in gold if _touch(entity, other)}
        num_counted += not touched & met
        num_hits += bool(touched) and not touched & met
        met |= touched
    return num_hits, num_counted, len(gold)


def _touch(one: Entity, other: Entity) -> bool:
    """Whether both are of one type and share a word."""
    return one[2] == other[2] and one[0] < other[1] and other[0] < one[1]
