"""Yes-or-no questions: one label of a task against the rest, with the probability that a model gave it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clinpeft.metrics._absence import absence
from clinpeft.metrics._decisions import (
    DEFAULT_THRESHOLD,
    annotated,
    gold_of,
    is_binary,
    predicted_classes,
    predicted_labels,
    scores_of,
)
from clinpeft.metrics._f1 import NO_RELATION
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind

ASKED: tuple[Kind, ...] = ("classification", "pairs", "relations", "multilabel")
SMALLEST_CELL = 11
"""Counts of people below it are not shown: few patients can be recognised."""


@dataclass(frozen=True)
class Outcome:
    """n examples, the probability of one label, and whether it was right."""

    label: str
    subjects: tuple[str, ...]
    probability: Floats
    """[n], 0 to 1."""
    happened: npt.NDArray[np.bool_]
    """[n]"""
    decided: npt.NDArray[np.bool_]
    """[n], whether the model's answer is this label."""
    threshold: float | None = None
    """At or above it the answer is this label; None where the highest of several scores decides."""

    def __len__(self) -> int:
        return len(self.subjects)

    def too_few(self) -> str | None:
        """Why nothing is said of it: fewer than 11 subjects with the label, or without it; None otherwise."""
        names = np.asarray(self.subjects, dtype=str)
        for is_one, word in ((self.happened, "with"), (~self.happened, "without")):
            if len(np.unique(names[is_one])) < SMALLEST_CELL:
                return f"fewer than {SMALLEST_CELL} subjects {word} it"
        return None


def outcomes(predictions: Predictions) -> list[Outcome]:
    """The positive class of a binary task (the second where none is named); otherwise every label or class but `none`,
    each over the examples that somebody annotated for it. Empty for entities, and where nothing can be scored."""
    if absence(predictions, ASKED):
        return []
    gold = gold_of(predictions)
    if predictions.kind == "multilabel":
        cells, decided = annotated(predictions), predicted_labels(predictions)
        return [
            _outcome(predictions, i, gold[:, i] == 1, decided[:, i], cells[:, i])
            for i in range(len(predictions.labels))
        ]
    every, classes = np.ones(len(gold), dtype=bool), predicted_classes(predictions)
    asked = [i for i, label in enumerate(predictions.labels) if not _is_no_relation(predictions, label)]
    if len(predictions.labels) == 2 and len(asked) == 2:
        asked = [1 if predictions.positive is None else predictions.positive]
    return [_outcome(predictions, i, gold == i, classes == i, every) for i in asked]


def masked(counts: Sequence[int], smallest: int = SMALLEST_CELL) -> list[int | None]:
    """Counts that add up to a known total, None for those below `smallest` (a 0 stays); while what is hidden adds up to
    less than that, the next smallest is hidden too, or the total would give it away.

    >>> masked([200, 4, 30, 0])
    [200, None, None, 0]
    """
    hidden = {place for place, count in enumerate(counts) if 0 < count < smallest}
    others = sorted((count, place) for place, count in enumerate(counts) if count > 0 and place not in hidden)
    while others and 0 < sum(counts[place] for place in hidden) < smallest:
        hidden.add(others.pop(0)[1])
    return [None if place in hidden else count for place, count in enumerate(counts)]


def _is_no_relation(predictions: Predictions, label: str) -> bool:
    return predictions.kind == "relations" and label == NO_RELATION


def _outcome(
    predictions: Predictions,
    place: int,
    happened: npt.NDArray[np.bool_],
    decided: npt.NDArray[np.bool_],
    cells: npt.NDArray[np.bool_],
) -> Outcome:
    thresholds = predictions.thresholds
    threshold = DEFAULT_THRESHOLD if thresholds is None else float(thresholds[place])
    has_one = predictions.kind == "multilabel" or is_binary(predictions)
    return Outcome(
        label=predictions.labels[place],
        subjects=tuple(name for name, is_cell in zip(predictions.subjects, cells, strict=True) if is_cell),
        probability=scores_of(predictions)[cells, place],
        happened=happened[cells],
        decided=decided[cells],
        threshold=threshold if has_one else None,
    )
