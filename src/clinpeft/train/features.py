"""A backbone in which nothing trains gives every text the same features: they are computed once."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from clinpeft.data.batch import Batch
from clinpeft.models.load import ClinicalModel

MAX_BYTES = 1 << 30
"""Of kept features; what is beyond is computed every time."""


class FrozenFeatures(nn.Module):
    """A model whose backbone is asked once for each training example; the rest, up to the logits, is the model's own.

    Features are kept in memory only, by the example's position: one object serves one split.
    """

    def __init__(self, model: ClinicalModel, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self.model = model
        self.room = max_bytes
        self.kept: dict[int, torch.Tensor] = {}

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits: [B, k], or [B, L, k] for entities, in float32."""
        missing = any(index not in self.kept for index in batch.indices)
        features = self._computed(batch) if missing else self._recalled(batch)
        logits: torch.Tensor = self.model.head(features)
        return logits

    def _computed(self, batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            features = self.model.features(batch)
        lengths = batch.attention_mask.sum(1).tolist()
        for index, length, row in zip(batch.indices, lengths, features, strict=True):
            kept = row[:length].clone() if row.ndim == 2 else row.clone()
            size = kept.numel() * kept.element_size()
            if index not in self.kept and size <= self.room:
                self.kept[index] = kept
                self.room -= size
        return features

    def _recalled(self, batch: Batch) -> torch.Tensor:
        rows = [self.kept[index] for index in batch.indices]
        if rows[0].ndim == 1:
            return torch.stack(rows)
        features = pad_sequence(rows, batch_first=True)
        return nn.functional.pad(features, (0, 0, 0, batch.input_ids.shape[1] - features.shape[1]))


def for_training(model: ClinicalModel) -> nn.Module:
    """What the loop calls: the model itself, unless its whole backbone is frozen."""
    is_frozen = not any(parameter.requires_grad for parameter in model.backbone.parameters())
    return FrozenFeatures(model) if is_frozen else model
