"""Length-aware batches: examples of like length together, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from clinpeft.data.tokenize import LENGTH_STEP, Encoded

IGNORED = -100
"""Label of a word piece that is not scored."""
POOL_BATCHES = 16
"""Batches that are sorted by length together: enough to leave little padding, few enough to keep the order random."""


@dataclass(frozen=True)
class Batch:
    """B encoded examples, padded to the longest (L word pieces, a multiple of 8)."""

    input_ids: torch.Tensor
    """int64 [B, L]"""
    attention_mask: torch.Tensor
    """int64 [B, L]: 1 for a word piece, 0 for padding"""
    token_type_ids: torch.Tensor | None
    """int64 [B, L]: 1 for the second text of a pair"""
    labels: torch.Tensor
    """int64 [B] (classes), float32 [B, k] (multi-label; NaN where nobody annotated) or int64 [B, L] (tags)"""
    markers: torch.Tensor | None
    """int64 [B, 2]: where head and tail of a relation start"""
    indices: tuple[int, ...]
    """Position of each example in the split."""

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)

    def parts(self, max_pieces: int) -> Iterator[Batch]:
        """The batch in parts of at most `max_pieces` word pieces, padding included, each cut to its own longest.

        A part holds one example at least. Examples keep their order, in which like lengths stand together.
        """
        lengths = self.attention_mask.sum(1).tolist()
        start = 0
        while start < len(lengths):
            end, longest = start + 1, lengths[start]
            while end < len(lengths):
                longer = max(longest, lengths[end])
                if (end + 1 - start) * _padded(longer) > max_pieces:
                    break
                end, longest = end + 1, longer
            yield self if end - start == len(lengths) else self._rows(start, end, _padded(longest))
            start = end

    def _rows(self, start: int, end: int, length: int) -> Batch:
        def cut(pieces: torch.Tensor) -> torch.Tensor:
            return pieces[start:end, :length].contiguous()

        return Batch(
            input_ids=cut(self.input_ids),
            attention_mask=cut(self.attention_mask),
            token_type_ids=None if self.token_type_ids is None else cut(self.token_type_ids),
            labels=cut(self.labels) if self.labels.shape == self.input_ids.shape else self.labels[start:end],
            markers=None if self.markers is None else self.markers[start:end],
            indices=self.indices[start:end],
        )


def training_batches(
    encoded: Sequence[Encoded], batch_size: int, pad_id: int, *, seed: int, epoch: int
) -> Iterator[Batch]:
    """All examples once, in an order that `seed` and `epoch` fix; the last batch may be smaller."""
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(encoded))
    groups: list[np.ndarray] = []
    for start in range(0, len(order), batch_size * POOL_BATCHES):
        pool = order[start : start + batch_size * POOL_BATCHES]
        pool = pool[np.argsort([len(encoded[index].input_ids) for index in pool], kind="stable")]
        groups += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    for position in generator.permutation(len(groups)):
        yield collate(encoded, [int(index) for index in groups[position]], pad_id)


def scoring_batches(encoded: Sequence[Encoded], max_pieces: int, pad_id: int) -> Iterator[Batch]:
    """All examples once, sorted by length, with at most `max_pieces` word pieces (padding included) a batch."""
    order = sorted(range(len(encoded)), key=lambda index: (len(encoded[index].input_ids), index))
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * _padded(len(encoded[order[end]].input_ids)) <= max_pieces:
            end += 1
        yield collate(encoded, order[start:end], pad_id)
        start = end


def collate(encoded: Sequence[Encoded], indices: Sequence[int], pad_id: int) -> Batch:
    """The examples at `indices` as one Batch."""
    chosen = [encoded[index] for index in indices]
    length = _padded(max(len(item.input_ids) for item in chosen))
    first = chosen[0]
    return Batch(
        input_ids=_pad([item.input_ids for item in chosen], length, pad_id),
        attention_mask=_pad([[1] * len(item.input_ids) for item in chosen], length, 0),
        token_type_ids=None
        if first.token_type_ids is None
        else _pad([item.token_type_ids or [] for item in chosen], length, 0),
        labels=_labels(chosen, length),
        markers=None if first.markers is None else torch.tensor([item.markers for item in chosen]),
        indices=tuple(indices),
    )


def _labels(chosen: list[Encoded], length: int) -> torch.Tensor:
    if chosen[0].piece_tags is not None:
        return _pad([item.piece_tags or [] for item in chosen], length, IGNORED)
    if chosen[0].label_vector is not None:
        return torch.tensor([item.label_vector for item in chosen], dtype=torch.float32)
    return torch.tensor([item.label for item in chosen])


def _pad(rows: Sequence[Sequence[int]], length: int, filler: int) -> torch.Tensor:
    result = torch.full((len(rows), length), filler, dtype=torch.int64)
    for position, row in enumerate(rows):
        result[position, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return result


def _padded(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP
