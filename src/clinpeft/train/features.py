"""A backbone in which nothing trains gives every text the same features: they are computed once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from clinpeft.data.batch import Batch, Stream
from clinpeft.models.dropout import drop_nothing
from clinpeft.models.load import ClinicalModel
from clinpeft.train.engine import Engine
from clinpeft.train.precision import computing
from clinpeft.train.sharding import is_sharded
from clinpeft.train.shares import Shares
from clinpeft.train.state import Reached

MAX_BYTES = 1 << 30
"""Of kept features; what is beyond is computed every time."""
CPU_PIECES, GPU_PIECES = 2048, 8192


def pieces_without_gradient(device: torch.device) -> int:
    """Word pieces of one pass that keeps nothing for a gradient; on a CPU more is slower (what-did-not-work.md)."""
    return CPU_PIECES if device.type == "cpu" else GPU_PIECES


def features_of(model: ClinicalModel, batch: Batch) -> torch.Tensor:
    """The model's features of all rows, without a gradient; the windows of a long text take several passes."""
    max_pieces = pieces_without_gradient(batch.input_ids.device)
    with torch.no_grad():
        if batch.num_windows is None or batch.input_ids.numel() <= max_pieces:
            return model.features(batch)
        return torch.cat([model.features(part) for part in batch.single_rows(max_pieces)])


class FrozenFeatures(nn.Module):
    """A model whose backbone is asked once for each training example; the rest, up to the logits, is the model's own.

    Features are kept in memory only, by the example's position and window: one object serves one split.
    """

    def __init__(self, model: ClinicalModel, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self.model = model
        self.room = max_bytes
        self.kept: dict[tuple[int, int], torch.Tensor] = {}

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits: [B, k], or [B, L, k] for entities, in float32."""
        missing = any(row not in self.kept for row in _rows(batch))
        features = self._computed(batch) if missing else self._recalled(batch)
        logits: torch.Tensor = self.model.head(features, batch.num_windows)
        return logits

    def remember(self, batch: Batch) -> bool:
        """Keep the features of a batch, as `forward` does; whether they had to be computed."""
        missing = any(row not in self.kept for row in _rows(batch))
        if missing:
            self._computed(batch)
        return missing

    def recall(self, stream: Stream, reached: Reached, engine: Engine, shares: Shares) -> None:
        """Compute again what was kept until then, in the batches of its first time: in others the last bits would
        differ."""
        for number in range(reached.epoch + 1):
            batches = itertools.islice(stream(number), reached.batches if number == reached.epoch else None)
            own = (share for batch in batches if (share := shares.of(batch)) is not None)
            parts = (part for share in own for part in share.parts(engine.pieces_at_once))
            with computing(engine.precision, engine.device):
                num_computed = sum(self.remember(part.to(engine.device)) for part in parts)
            if number and not num_computed:
                return

    def _computed(self, batch: Batch) -> torch.Tensor:
        features = features_of(self.model, batch)
        lengths = batch.attention_mask.sum(1).tolist()
        for row, length, of_row in zip(_rows(batch), lengths, features, strict=True):
            kept = of_row[:length].clone() if of_row.ndim == 2 else of_row.clone()
            size = kept.numel() * kept.element_size()
            if row not in self.kept and size <= self.room:
                self.kept[row] = kept
                self.room -= size
        return features

    def _recalled(self, batch: Batch) -> torch.Tensor:
        rows = [self.kept[row] for row in _rows(batch)]
        if rows[0].ndim == 1:
            return torch.stack(rows)
        features = pad_sequence(rows, batch_first=True)
        return nn.functional.pad(features, (0, 0, 0, batch.input_ids.shape[1] - features.shape[1]))


def _rows(batch: Batch) -> Iterator[tuple[int, int]]:
    """Which example each row belongs to, and which of its windows it is."""
    for index, num_windows in zip(batch.indices, batch.rows_of_examples(), strict=True):
        yield from ((index, window) for window in range(num_windows))


def for_training(model: ClinicalModel) -> nn.Module:
    """What the loop calls: the model itself, unless its whole backbone is frozen. That one drops nothing: what was
    dropped from a kept feature would be missing for the whole run.

    In shards all processes must take the same passes, and which features are kept differs from process to process.
    """
    is_frozen = not any(parameter.requires_grad for parameter in model.backbone.parameters())
    if not is_frozen:
        return model
    drop_nothing(model.backbone)
    return model if is_sharded(model) else FrozenFeatures(model)
