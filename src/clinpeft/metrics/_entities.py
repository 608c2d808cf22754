"""Entities in IOB2 tags, read strictly, and their counts per sentence and type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from clinpeft.metrics._additive import AdditiveMetric
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind

Entity = tuple[int, int, str]
"""First word, word after the last, type."""
DEGENERATE = "no entity is present or predicted"
"""Why a metric of entities has no value."""


class EntityMetric(AdditiveMetric):
    """Counts per entity type in three blocks of columns: true positives, predicted, gold."""

    kinds: ClassVar[tuple[Kind, ...]] = ("entities",)
    degenerate: ClassVar[str] = DEGENERATE
    citation: ClassVar[str] = "Nakayama 2018, seqeval (mode strict, scheme IOB2)"

    def statistics(self, predictions: Predictions) -> Floats:
        """Float [n, 3k]; a word beyond the prediction's end counts as `O`."""
        pairs = list(zip(predictions.gold_tags, predictions.predicted_tags, strict=True))
        gold = [set(self.entities_of(tags)) for tags, _ in pairs]
        predicted = [set(self.entities_of(tags)) for _, tags in pairs]
        types = sorted({entity[2] for entities in (*gold, *predicted) for entity in entities})
        shared = [left & right for left, right in zip(gold, predicted, strict=True)]
        return np.concatenate([_count(entities, types) for entities in (shared, predicted, gold)], axis=1)

    def entities_of(self, tags: Sequence[str]) -> list[Entity]:
        """The entities of one sentence, read strictly."""
        return strict_entities(tags)


def strict_entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of one sentence: `B-X` opens one, `I-X` of the same type extends it, any other `I` is ignored.

    >>> strict_entities(["B-Drug", "I-Drug", "I-Dose", "O", "I-Drug"])
    [(0, 2, 'Drug')]
    """
    entities: list[Entity] = []
    start, kind = 0, None
    for index, tag in enumerate((*tags, "O")):
        if kind is not None and tag == f"I-{kind}":
            continue
        if kind is not None:
            entities.append((start, index, kind))
        start, kind = index, tag[2:] if tag.startswith("B-") else None
    return entities


def _count(entities: Sequence[set[Entity]], types: Sequence[str]) -> Floats:
    column = {name: index for index, name in enumerate(types)}
    counts = np.zeros((len(entities), len(types)))
    for row, found in enumerate(entities):
        for _, _, name in found:
            counts[row, column[name]] += 1
    return counts
