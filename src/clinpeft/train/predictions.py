"""From examples and what a model says about them to the arrays that metrics work on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clinpeft.data.card import Card
from clinpeft.data.spans import tags_by_piece
from clinpeft.errors import BadInput
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.tasks.base import Example

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def predictions_from(
    examples: Sequence[Example],
    card: Card,
    scores: Floats | None = None,
    predicted_tags: Sequence[Sequence[str]] | None = None,
    piece_counts: Sequence[Sequence[int]] | None = None,
) -> Predictions:
    """Gold and predictions of one split: `scores` [n, k] in the card's label order, or IOB2 tags for entities.

    Words beyond the end of a row of predicted tags count as `O`, so an entity that was cut off is missed. With
    `piece_counts` (of each word of each example) the predicted tags are those of word pieces, and so are gold ones.
    Raises BadInput when an example has a label that the card does not list, ValueError when the shapes disagree.
    """
    subjects = tuple(example.subject for example in examples)
    if card.kind == "entities":
        counts = tuple(map(tuple, piece_counts or ()))
        gold_tags = tuple(example.tags for example in examples)
        if counts:
            gold_tags = tuple(tags_by_piece(*row) for row in zip(gold_tags, counts, strict=True))
        return Predictions(
            kind=card.kind,
            labels=card.labels,
            subjects=subjects,
            gold_tags=gold_tags,
            predicted_tags=_padded(predicted_tags, gold_tags),
            word_ends=_word_ends(examples) if not counts else (),
            piece_counts=counts,
        )
    if scores is None or scores.shape != (len(examples), len(card.labels)):
        raise ValueError(f"scores must have shape ({len(examples)}, {len(card.labels)})")
    gold, missing = gold_of(examples, card)
    return Predictions(
        kind=card.kind,
        labels=card.labels,
        subjects=subjects,
        gold=gold,
        scores=np.asarray(scores, dtype=np.float64),
        missing=missing,
        positive=None if card.positive is None else card.labels.index(card.positive),
    )


def gold_of(examples: Sequence[Example], card: Card) -> tuple[Ints, Bools | None]:
    """Class indices [n], or for multi-label a 0/1 array [n, k] and which of its cells nobody annotated.

    Raises BadInput when an example has a label that the card does not list.
    """
    index = {label: i for i, label in enumerate(card.labels)}
    try:
        if card.kind != "multilabel":
            return np.array([index[example.label or ""] for example in examples], dtype=np.int64), None
        gold, missing = (np.zeros((len(examples), len(index)), dtype=np.int64) for _ in range(2))
        for row, example in enumerate(examples):
            gold[row, [index[label] for label in example.labels]] = 1
            missing[row, [index[label] for label in example.missing]] = 1
        return gold, missing.astype(bool)
    except KeyError:
        raise BadInput(card.name, "an example has a label that the card does not list", "build it again") from None


def _word_ends(examples: Sequence[Example]) -> tuple[tuple[int, ...], ...]:
    is_known = all(len(example.ends) == len(example.tags) for example in examples)
    return tuple(example.ends for example in examples) if is_known else ()


def _padded(predicted: Sequence[Sequence[str]] | None, gold: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    if predicted is None or len(predicted) != len(gold):
        raise ValueError(f"predicted_tags must have {len(gold)} rows")
    if any(len(row) > len(tags) for row, tags in zip(predicted, gold, strict=True)):
        raise ValueError("a row of predicted tags is longer than its sentence")
    return tuple((*row, *("O",) * (len(tags) - len(row))) for row, tags in zip(predicted, gold, strict=True))
