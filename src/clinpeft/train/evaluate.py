"""Scores of a model on encoded examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from clinpeft.data.batch import scoring_batches
from clinpeft.data.tokenize import Encoded
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.train.precision import Precision, computing

PIECES_PER_BATCH = 8192
"""Word pieces in a scoring batch: large enough for full speed on a CPU, small enough for 1 GB."""


def predict_scores(
    model: ClinicalModel, encoded: Sequence[Encoded], kind: Kind, pad_id: int, precision: Precision
) -> npt.NDArray[np.float64]:
    """Probabilities [n, k]: they add up to 1 over the classes, or stand for themselves in multi-label tasks."""
    rows: dict[int, torch.Tensor] = {}
    for indices, logits, _ in _logits(model, encoded, pad_id, precision):
        probabilities = logits.double().sigmoid() if kind == "multilabel" else logits.double().softmax(-1)
        rows.update(zip(indices, probabilities.cpu(), strict=True))
    return np.stack([rows[index].numpy() for index in range(len(encoded))])


def predict_tags(
    model: ClinicalModel, encoded: Sequence[Encoded], tags: Sequence[str], pad_id: int, precision: Precision
) -> list[tuple[str, ...]]:
    """An IOB2 tag for every word, read at its first piece; words beyond the model's length are `O`."""
    rows: dict[int, tuple[str, ...]] = {}
    for indices, logits, _ in _logits(model, encoded, pad_id, precision):
        best = logits.argmax(-1).cpu().tolist()
        for index, row in zip(indices, best, strict=True):
            starts = encoded[index].word_starts or []
            rows[index] = valid_iob2(tuple(tags[row[start]] if start >= 0 else "O" for start in starts))
    return [rows[index] for index in range(len(encoded))]


def valid_iob2(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The tags with every orphan `I-` turned into the `B-` that strict IOB2 wants.

    >>> valid_iob2(("O", "I-drug", "I-drug", "I-dose"))
    ('O', 'B-drug', 'I-drug', 'B-dose')
    """
    result, previous = [], "O"
    for tag in tags:
        if tag.startswith("I-") and previous[2:] != tag[2:]:
            tag = "B-" + tag[2:]
        result.append(tag)
        previous = tag
    return tuple(result)


def _logits(model: ClinicalModel, encoded: Sequence[Encoded], pad_id: int, precision: Precision):  # type: ignore[no-untyped-def]
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode(), computing(precision, device):
        for batch in scoring_batches(encoded, PIECES_PER_BATCH, pad_id):
            yield batch.indices, model(batch.to(device)), batch
    model.train(was_training)
