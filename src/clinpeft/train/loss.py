"""The loss of a batch, and what its mean divides by."""

from __future__ import annotations

import torch
from torch.nn import functional

from clinpeft.data.batch import IGNORED, Batch
from clinpeft.spec import Kind


def loss_of(logits: torch.Tensor, batch: Batch, kind: Kind, class_weights: torch.Tensor | None) -> torch.Tensor:
    """Mean cross-entropy over classes or tags; binary cross-entropy over labels, those nobody annotated left out."""
    if kind == "multilabel":
        known = ~torch.isnan(batch.labels)
        losses = functional.binary_cross_entropy_with_logits(
            logits, torch.nan_to_num(batch.labels), pos_weight=class_weights, reduction="none"
        )
        return (losses * known).sum() / known.sum().clamp(min=1)
    labels = batch.labels.flatten()
    if not (labels != IGNORED).any():
        # A batch of sentences without a word to tag: the mean over nothing would be NaN.
        return logits.sum() * 0
    return functional.cross_entropy(logits.flatten(0, -2), labels, class_weights, ignore_index=IGNORED)


def num_judged(batch: Batch, kind: Kind, class_weights: torch.Tensor | None) -> float:
    """What the mean loss of a batch divides by, so that the losses of its parts add up to the same."""
    if kind == "multilabel":
        return float((~torch.isnan(batch.labels)).sum())
    labels = batch.labels.flatten()
    labels = labels[labels != IGNORED]
    return float(len(labels)) if class_weights is None else float(class_weights.cpu()[labels].sum())
