"""Entity F1 that forgives an end two characters off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import AdditiveMetric
from clinpeft.metrics._entities import DEGENERATE, Entity, strict_entities
from clinpeft.metrics._f1 import f1
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind

REACH = 2
"""Characters by which the ends may differ."""


class EntityF1Relaxed(AdditiveMetric):
    """Micro F1 of entities that are right in type and start and end within two characters of the true end.

    The relaxed score of the i2b2 2014 challenge, which forgives a comma or a possessive taken along. Tags are read
    strictly as IOB2; places are those of the words in the text. Undefined where these are not known: for word pieces,
    and for folds read back from their files.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("entities",)
    degenerate: ClassVar[str] = DEGENERATE
    title: ClassVar[str] = (
        "F1 of the entities found, right in type and start, and at most two characters off at the end"
    )
    citation: ClassVar[str] = "Stubbs et al. 2015, doi:10.1016/j.jbi.2015.06.007 (relaxed)"

    def undefined(self, predictions: Predictions) -> str | None:
        if predictions.gold_tags and not predictions.word_ends:
            return "the places of the words are not known"
        return super().undefined(predictions)

    def statistics(self, predictions: Predictions) -> Floats:
        """Float [n, 3]: hits, predicted entities, gold entities."""
        rows = zip(predictions.gold_tags, predictions.predicted_tags, predictions.word_ends, strict=True)
        counts = [_counts(strict_entities(gold), strict_entities(predicted), ends) for gold, predicted, ends in rows]
        return np.array(counts, dtype=np.float64).reshape(-1, 3)

    def from_totals(self, totals: Floats) -> Floats:
        return f1(totals[:, 0], totals[:, 1], totals[:, 2])


def _counts(gold: Sequence[Entity], predicted: Sequence[Entity], ends: Sequence[int]) -> tuple[int, int, int]:
    """Entities of a sentence do not overlap, so a start and a type name at most one."""
    end_of = {(first, kind): ends[after - 1] for first, after, kind in gold}
    places = [(end_of.get((first, kind)), ends[after - 1]) for first, after, kind in predicted]
    num_hits = sum(end is not None and abs(end - other) <= REACH for end, other in places)
    return num_hits, len(predicted), len(gold)
