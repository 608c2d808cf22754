"""Length-aware batches: examples of like length together, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
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
    """B encoded examples in R rows, padded to the longest (L word pieces, a multiple of 8).

    R is B unless a long text is read in windows, a row each.
    """

    input_ids: torch.Tensor
    """int64 [R, L]"""
    attention_mask: torch.Tensor
    """int64 [R, L]: 1 for a word piece, 0 for padding"""
    token_type_ids: torch.Tensor | None
    """int64 [R, L]: 1 for the second text of a pair"""
    labels: torch.Tensor
    """int64 [B] (classes), float32 [B, k] (multi-label; NaN where nobody annotated) or int64 [R, L] (tags)"""
    markers: torch.Tensor | None
    """int64 [B, 2]: where head and tail of a relation start"""
    indices: tuple[int, ...]
    """Position of each example in the split."""
    num_windows: tuple[int, ...] | None = None
    """Rows of each example, which stand together in the order of its text; None where each has one."""

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **moved)

    def parts(self, max_pieces: int) -> Iterator[Batch]:
        """The batch in parts of at most `max_pieces` word pieces, padding included, each cut to its own longest.

        A part holds one example at least, with all its windows. Examples keep their order, in which like lengths stand
        together.
        """
        lengths = iter(self.attention_mask.sum(1).tolist())
        sizes = [(num, max(islice(lengths, num))) for num in self.rows_of_examples()]
        for start, end, longest in _packed(sizes, max_pieces):
            yield self if end - start == len(sizes) else self._examples(start, end, _padded(longest))

    def share(self, rank: int, size: int) -> Batch | None:
        """The part that falls to one of `size` processes: as many examples as any other's give or take one, which stand
        together, cut to their own longest. None where it is left without; the first never is.
        """
        if size == 1:
            return self
        rows = self.rows_of_examples()
        start, end = (-(-len(rows) * number // size) for number in (rank, rank + 1))
        if start == end:
            return None
        lengths = self.attention_mask.sum(1)[sum(rows[:start]) : sum(rows[:end])]
        return self._examples(start, end, _padded(int(lengths.max())))

    def rows_of_examples(self) -> tuple[int, ...]:
        """How many rows each example has."""
        return self.num_windows or (1,) * len(self.indices)

    def single_rows(self, max_pieces: int) -> Iterator[Batch]:
        """The rows in order, at most `max_pieces` word pieces at once (a row at least), each as an example of its own.

        For what looks at the text alone: labels and markers go with the examples, and are the batch's own here.
        """
        num_rows, length = self.input_ids.shape
        step = max(1, max_pieces // length)
        for start in range(0, num_rows, step):
            rows = slice(start, start + step)
            types = None if self.token_type_ids is None else self.token_type_ids[rows]
            yield replace(
                self,
                input_ids=self.input_ids[rows],
                attention_mask=self.attention_mask[rows],
                token_type_ids=types,
                num_windows=None,
            )

    def _examples(self, start: int, end: int, length: int) -> Batch:
        rows = self.rows_of_examples()
        first = sum(rows[:start])
        last = first + sum(rows[start:end])

        def cut(pieces: torch.Tensor) -> torch.Tensor:
            return pieces[first:last, :length].contiguous()

        return Batch(
            input_ids=cut(self.input_ids),
            attention_mask=cut(self.attention_mask),
            token_type_ids=None if self.token_type_ids is None else cut(self.token_type_ids),
            labels=cut(self.labels) if self.labels.shape == self.input_ids.shape else self.labels[start:end],
            markers=None if self.markers is None else self.markers[start:end],
            indices=self.indices[start:end],
            num_windows=None if self.num_windows is None else self.num_windows[start:end],
        )


Stream = Callable[[int], Iterator[Batch]]
"""The batches of an epoch, by its number."""


def training_stream(encoded: Sequence[Encoded], batch_size: int, pad_id: int, seed: int) -> Stream:
    """The training batches of every epoch."""
    return lambda epoch: training_batches(encoded, batch_size, pad_id, seed=seed, epoch=epoch)


def in_stretches(stream: Stream, batches_an_epoch: int, epochs: int, length: int) -> tuple[Stream, int]:
    """The same batches in stretches of `length` instead of epochs, and how many stretches there are.

    The last one is shorter where the epochs do not fill it.
    """
    num_batches = batches_an_epoch * epochs

    def stretch(number: int) -> Iterator[Batch]:
        at, end = number * length, min((number + 1) * length, num_batches)
        while at < end:
            epoch, first = divmod(at, batches_an_epoch)
            part = islice(stream(epoch), first, first + end - at)
            for batch in part:
                at += 1
                yield batch

    return stretch, -(-num_batches // length)


def training_batches(
    encoded: Sequence[Encoded], batch_size: int, pad_id: int, *, seed: int, epoch: int
) -> Iterator[Batch]:
    """All examples once, in an order that `seed` and `epoch` fix; the last batch may be smaller."""
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(encoded))
    groups: list[np.ndarray] = []
    for start in range(0, len(order), batch_size * POOL_BATCHES):
        pool = order[start : start + batch_size * POOL_BATCHES]
        pool = pool[np.argsort([encoded[index].num_pieces for index in pool], kind="stable")]
        groups += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    for position in generator.permutation(len(groups)):
        yield collate(encoded, [int(index) for index in groups[position]], pad_id)


def scoring_batches(encoded: Sequence[Encoded], max_pieces: int, pad_id: int) -> Iterator[Batch]:
    """All examples once, sorted by length, with at most `max_pieces` word pieces (padding included) a batch.

    An example whose windows come to more is a batch of its own.
    """
    order = sorted(range(len(encoded)), key=lambda index: (encoded[index].num_pieces, index))
    sizes = [_rows_and_longest(encoded[index]) for index in order]
    for start, end, _ in _packed(sizes, max_pieces):
        yield collate(encoded, order[start:end], pad_id)


def collate(encoded: Sequence[Encoded], indices: Sequence[int], pad_id: int) -> Batch:
    """The examples at `indices` as one Batch."""
    chosen = [encoded[index] for index in indices]
    rows = [window for item in chosen for window in item.windows]
    length = _padded(max(len(row.input_ids) for row in rows))
    first = chosen[0]
    return Batch(
        input_ids=_pad([row.input_ids for row in rows], length, pad_id),
        attention_mask=_pad([[1] * len(row.input_ids) for row in rows], length, 0),
        token_type_ids=None
        if first.token_type_ids is None
        else _pad([row.token_type_ids or [] for row in rows], length, 0),
        labels=_labels(chosen, rows, length),
        markers=None if first.markers is None else torch.tensor([item.markers for item in chosen]),
        indices=tuple(indices),
        num_windows=tuple(len(item.windows) for item in chosen) if len(rows) > len(chosen) else None,
    )


def _labels(chosen: list[Encoded], rows: list[Encoded], length: int) -> torch.Tensor:
    if chosen[0].piece_tags is not None:
        return _pad([row.piece_tags or [] for row in rows], length, IGNORED)
    if chosen[0].label_vector is not None:
        return torch.tensor([item.label_vector for item in chosen], dtype=torch.float32)
    return torch.tensor([item.label for item in chosen])


def _pad(rows: Sequence[Sequence[int]], length: int, filler: int) -> torch.Tensor:
    result = torch.full((len(rows), length), filler, dtype=torch.int64)
    for position, row in enumerate(rows):
        result[position, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return result


def _rows_and_longest(item: Encoded) -> tuple[int, int]:
    return len(item.windows), max(len(window.input_ids) for window in item.windows)


def _packed(sizes: Sequence[tuple[int, int]], max_pieces: int) -> Iterator[tuple[int, int, int]]:
    """Examples of so many rows and so many word pieces in the longest, laid together as they come: from where, to
    where, and the longest row there."""
    start = 0
    while start < len(sizes):
        end, (rows, longest) = start + 1, sizes[start]
        while end < len(sizes):
            more, longer = rows + sizes[end][0], max(longest, sizes[end][1])
            if more * _padded(longer) > max_pieces:
                break
            end, rows, longest = end + 1, more, longer
        yield start, end, longest
        start = end


def _padded(length: int) -> int:
    return -(-length // LENGTH_STEP) * LENGTH_STEP
