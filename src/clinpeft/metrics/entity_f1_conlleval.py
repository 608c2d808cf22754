"""Entity F1 as conlleval counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from clinpeft.metrics._entities import Entity
from clinpeft.metrics.entity_f1 import EntityF1


class EntityF1Conlleval(EntityF1):
    """Micro F1 of entities, exact in span and type, where an `I-` that continues nothing opens an entity.

    Equal to seqeval's `f1_score` without a mode, by which the published scores of bio-lm and the lightweight clinical
    models are taken. It differs from the strict F1 only where such tags were predicted.
    """

    title: ClassVar[str] = "F1 of the entities found, exact in span and type, with mistaken openings forgiven"
    citation: ClassVar[str] = "Tjong Kim Sang and Buchholz 2000, conlleval; Nakayama 2018, seqeval"

    def entities_of(self, tags: Sequence[str]) -> list[Entity]:
        """Every run of one type is an entity, and `B-` begins another one."""
        entities: list[Entity] = []
        before = "O"
        for index, tag in enumerate(tags):
            if tag != "O" and tag[2:] == before[2:] and tag.startswith("I-"):
                entities[-1] = entities[-1][0], index + 1, tag[2:]
            elif tag != "O":
                entities.append((index, index + 1, tag[2:]))
            before = tag
        return entities
