"""Class weights: rare classes count more in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from clinpeft.data.card import Card
from clinpeft.data.tokenize import tag_names
from clinpeft.tasks.base import Example


def class_weights(train: Sequence[Example], card: Card, rule: Literal["none", "balanced"]) -> torch.Tensor | None:
    """`balanced`: n / (k · count) per class, as in scikit-learn; for multi-label negatives over positives per label.

    float32 [k]; classes that train lacks, and labels without a contrast, get weight 1. None without weighting.
    """
    if rule == "none" or not train:
        return None
    if card.kind == "multilabel":
        positive = torch.tensor([sum(label in example.labels for example in train) for label in card.labels])
        known = torch.tensor([sum(label not in example.missing for example in train) for label in card.labels])
        negative = known - positive
        return torch.where((positive > 0) & (negative > 0), negative / positive.clamp(min=1), 1.0).float()
    names = tag_names(card) or list(card.labels)
    index = {name: position for position, name in enumerate(names)}
    seen = [tag for example in train for tag in (example.tags if card.kind == "entities" else [example.label or ""])]
    counts = torch.bincount(torch.tensor([index[name] for name in seen]), minlength=len(names)).float()
    return torch.where(counts > 0, counts.sum() / (len(names) * counts.clamp(min=1)), 1.0)
