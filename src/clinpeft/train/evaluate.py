"""Scores of a model on encoded examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from clinpeft.data.batch import Batch, scoring_batches
from clinpeft.data.tokenize import Encoded
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.train.features import features_of, pieces_without_gradient
from clinpeft.train.precision import Precision, computing
from clinpeft.train.sharding import is_sharded


def predict_scores(
    model: ClinicalModel, encoded: Sequence[Encoded], kind: Kind, pad_id: int, precision: Precision
) -> npt.NDArray[np.float64]:
    """Probabilities [n, k]: they add up to 1 over the classes, or stand for themselves in multi-label tasks."""
    rows: dict[int, torch.Tensor] = {}
    for indices, logits in _logits(model, encoded, pad_id, precision):
        probabilities = logits.double().sigmoid() if kind == "multilabel" else logits.double().softmax(-1)
        rows.update(zip(indices, probabilities.cpu(), strict=True))
    return np.stack([rows[index].numpy() for index in range(len(encoded))])


def predict_tags(
    model: ClinicalModel, encoded: Sequence[Encoded], tags: Sequence[str], pad_id: int, precision: Precision
) -> list[tuple[str, ...]]:
    """An IOB2 tag for every word, read at its first piece; words beyond the model's length are `O`.

    What is read in windows is stitched: a word is read in the window that answers for it.
    """
    found: dict[int, tuple[str, ...]] = {}
    for indices, logits in _logits(model, encoded, pad_id, precision):
        rows = iter(logits.argmax(-1).cpu().tolist())
        for index in indices:
            windows = [(window.word_starts or [], next(rows)) for window in encoded[index].windows]
            found[index] = valid_iob2(
                tuple(tags[row[start]] if start >= 0 else "O" for starts, row in windows for start in starts)
            )
    return [found[index] for index in range(len(encoded))]


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


def read(
    model: ClinicalModel, encoded: Sequence[Encoded], pad_id: int, precision: Precision
) -> Iterator[tuple[Batch, torch.Tensor]]:
    """What the backbone gives the head for all examples, in batches of like length, without a gradient.

    What is done with a batch while the next has not been asked for is done without a gradient too, in `precision`.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    # A layer that is first gathered in inference mode could not be trained through afterwards.
    with torch.no_grad() if is_sharded(model) else torch.inference_mode(), computing(precision, device):
        for batch in scoring_batches(encoded, pieces_without_gradient(device), pad_id):
            batch = batch.to(device)
            yield batch, features_of(model, batch)
    model.train(was_training)


def _logits(
    model: ClinicalModel, encoded: Sequence[Encoded], pad_id: int, precision: Precision
) -> Iterator[tuple[tuple[int, ...], torch.Tensor]]:
    for batch, features in read(model, encoded, pad_id, precision):
        yield batch.indices, model.head(features, batch.num_windows)
