"""Batches hold every example once, padded as little as can be, in an order that a seed fixes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.batch import IGNORED, Batch, collate, scoring_batches, training_batches
from clinpeft.data.tokenize import Encoded

PAD = 9


def text(length: int, **fields: Any) -> Encoded:
    ids = list(range(100, 100 + length))
    return Encoded(**{"input_ids": ids, "token_type_ids": None, "is_truncated": False, "labels_lost": 0, **fields})


def texts(lengths: list[int]) -> list[Encoded]:
    return [text(length, label=index % 3) for index, length in enumerate(lengths)]


def order(batches: list[Batch]) -> list[tuple[int, ...]]:
    return [batch.indices for batch in batches]


LENGTHS = [int(length) for length in np.random.default_rng(0).integers(3, 200, size=101)]


@given(lengths=st.lists(st.integers(2, 40), max_size=60), batch_size=st.integers(1, 9), seed=st.integers(0, 5))
def test_an_epoch_holds_every_example_once(lengths: list[int], batch_size: int, seed: int) -> None:
    batches = list(training_batches(texts(lengths), batch_size, PAD, seed=seed, epoch=0))

    assert sorted(index for batch in batches for index in batch.indices) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // batch_size)
    assert all(len(batch.indices) <= batch_size for batch in batches)


def test_seed_and_epoch_fix_the_order() -> None:
    def epoch(seed: int, number: int) -> list[tuple[int, ...]]:
        return order(list(training_batches(texts(LENGTHS), 8, PAD, seed=seed, epoch=number)))

    assert epoch(1, 0) == epoch(1, 0)
    assert epoch(1, 0) != epoch(1, 1)
    assert epoch(1, 0) != epoch(2, 0)
    # Seed 1 in epoch 2 is not seed 2 in epoch 1: the two are not added up.
    assert epoch(1, 2) != epoch(2, 1)


def test_examples_of_like_length_stand_together_in_training() -> None:
    def padded(batches: list[Batch]) -> int:
        return sum(batch.input_ids.numel() for batch in batches)

    sorted_together = padded(list(training_batches(texts(LENGTHS), 8, PAD, seed=0, epoch=0)))
    as_they_come = padded([collate(texts(LENGTHS), range(i, min(i + 8, 101)), PAD) for i in range(0, 101, 8)])

    assert sorted_together < 1.15 * sum(LENGTHS)
    assert as_they_come > 1.5 * sum(LENGTHS)


@given(lengths=st.lists(st.integers(2, 60), max_size=60), max_pieces=st.integers(1, 400))
def test_scoring_batches_hold_every_example_once_within_their_size(lengths: list[int], max_pieces: int) -> None:
    batches = list(scoring_batches(texts(lengths), max_pieces, PAD))

    assert sorted(index for batch in batches for index in batch.indices) == list(range(len(lengths)))
    assert all(batch.input_ids.numel() <= max_pieces or len(batch.indices) == 1 for batch in batches)


def test_scoring_goes_from_short_to_long() -> None:
    found = [index for batch in scoring_batches(texts([9, 3, 30, 3]), 64, PAD) for index in batch.indices]

    assert found == [1, 3, 0, 2]


def test_a_batch_is_padded_to_a_multiple_of_eight_with_the_models_own_piece() -> None:
    batch = collate(texts([3, 9]), [1, 0], PAD)

    assert batch.input_ids.tolist() == [[*range(100, 109), *[PAD] * 7], [100, 101, 102, *[PAD] * 13]]
    assert batch.attention_mask.tolist() == [[1] * 9 + [0] * 7, [1] * 3 + [0] * 13]
    assert batch.labels.tolist() == [1, 0]
    assert batch.indices == (1, 0)


def test_tags_are_ignored_on_padding() -> None:
    batch = collate([text(3, piece_tags=[IGNORED, 2, IGNORED]), text(9, piece_tags=[1] * 9)], [0, 1], PAD)

    assert batch.labels.tolist() == [[IGNORED, 2, *[IGNORED] * 14], [1] * 9 + [IGNORED] * 7]


def test_a_label_nobody_annotated_stays_apart_from_zero() -> None:
    batch = collate([text(3, label_vector=[1.0, float("nan"), 0.0])], [0], PAD)

    assert batch.labels.dtype == torch.float32
    assert torch.isnan(batch.labels).tolist() == [[False, True, False]]


def test_token_types_and_markers_go_with_their_examples() -> None:
    items = [text(3, token_type_ids=[0, 1, 1], markers=(1, 2)), text(2, token_type_ids=[0, 1], markers=(0, 1))]
    batch = collate(items, [1, 0], PAD)

    assert batch.token_type_ids is not None
    assert batch.markers is not None
    assert batch.token_type_ids.tolist() == [[0, 1, *[0] * 6], [0, 1, 1, *[0] * 5]]
    assert batch.markers.tolist() == [[0, 1], [1, 2]]


def test_a_batch_moves_whole() -> None:
    batch = collate([text(3, token_type_ids=[0, 1, 1], markers=(1, 2))], [0], PAD).to(torch.device("meta"))
    tensors = [value for value in vars(batch).values() if isinstance(value, torch.Tensor)]

    assert [value.device.type for value in tensors] == ["meta"] * 5
    assert batch.indices == (0,)


@pytest.mark.parametrize("size", [1, 7, 8, 9])
def test_the_last_batch_may_be_smaller(size: int) -> None:
    found = [len(batch.indices) for batch in training_batches(texts([5] * size), 8, PAD, seed=0, epoch=0)]

    assert sorted(found) == sorted([8] * (size // 8) + [size % 8] * (size % 8 > 0))


@given(lengths=st.lists(st.integers(2, 40), min_size=1, max_size=30), max_pieces=st.integers(1, 400))
def test_the_parts_of_a_batch_are_the_batch(lengths: list[int], max_pieces: int) -> None:
    encoded = [text(length, piece_tags=[length] * length) for length in sorted(lengths)]
    batch = collate(encoded, range(len(encoded)), PAD)

    parts = list(batch.parts(max_pieces))

    assert tuple(index for part in parts for index in part.indices) == batch.indices
    rows = [row for part in parts for row in zip(part.input_ids, part.attention_mask, part.labels, strict=True)]
    for item, (ids, mask, labels) in zip(encoded, rows, strict=True):
        assert ids[mask.bool()].tolist() == item.input_ids
        assert labels[mask.bool()].tolist() == item.piece_tags
    assert all(part.input_ids.numel() <= max_pieces or len(part.indices) == 1 for part in parts)


def test_a_part_is_cut_to_its_own_longest_text() -> None:
    batch = collate([text(8, label=0), text(8, label=1), text(40, label=2)], [0, 1, 2], PAD)

    assert [tuple(part.input_ids.shape) for part in batch.parts(40)] == [(2, 8), (1, 40)]


def in_windows(lengths: list[int], **fields: Any) -> Encoded:
    """One example in rows of so many pieces."""
    first, *further = (text(length, **fields) for length in lengths)
    return replace(first, further=tuple(further))


def test_the_windows_of_an_example_are_rows_that_stand_together() -> None:
    batch = collate([in_windows([8, 8, 3], label=1), text(5, label=2)], [1, 0], PAD)

    assert batch.attention_mask.sum(1).tolist() == [5, 8, 8, 3]
    assert batch.num_windows == (1, 3)
    assert batch.labels.tolist() == [2, 1]
    assert batch.indices == (1, 0)


def test_tags_of_windows_are_rows_too() -> None:
    batch = collate([in_windows([8, 8], piece_tags=[1] * 8)], [0], PAD)

    assert batch.labels.shape == (2, 8)


def test_a_batch_without_a_long_text_has_no_windows() -> None:
    assert collate(texts([5, 8]), [0, 1], PAD).num_windows is None


windowed = st.lists(st.lists(st.integers(2, 24), min_size=1, max_size=5), min_size=1, max_size=20)


@given(lengths=windowed, max_pieces=st.integers(1, 400), batch_size=st.integers(1, 5))
def test_no_batch_and_no_part_tears_an_example_apart(
    lengths: list[list[int]], max_pieces: int, batch_size: int
) -> None:
    encoded = [in_windows(rows, label=number) for number, rows in enumerate(lengths)]
    scoring = list(scoring_batches(encoded, max_pieces, PAD))
    training = list(training_batches(encoded, batch_size, PAD, seed=0, epoch=0))
    parts = [part for batch in training for part in batch.parts(max_pieces)]

    assert all(len(batch.indices) <= batch_size for batch in training)
    assert len(training) == -(-len(encoded) // batch_size)
    for batches in (scoring, training, parts):
        assert sorted(index for batch in batches for index in batch.indices) == list(range(len(encoded)))
        for batch in batches:
            expected = [length for index in batch.indices for length in lengths[index]]
            assert batch.attention_mask.sum(1).tolist() == expected
            assert batch.rows_of_examples() == tuple(len(lengths[index]) for index in batch.indices)
            assert batch.labels.tolist() == list(batch.indices)
    assert all(batch.input_ids.numel() <= max_pieces or len(batch.indices) == 1 for batch in scoring + parts)


def test_the_rows_of_a_very_long_text_can_be_taken_a_few_at_a_time() -> None:
    batch = collate([in_windows([8] * 5, token_type_ids=[0] * 8)], [0], PAD)
    parts = list(batch.single_rows(16))

    assert [len(part.input_ids) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([part.input_ids for part in parts]), batch.input_ids)
    assert all(part.num_windows is None and part.token_type_ids is not None for part in parts)
    assert [len(part.input_ids) for part in batch.single_rows(3)] == [1] * 5


def test_examples_of_like_size_stand_together_however_many_windows_they_have() -> None:
    encoded = [in_windows([8] * (1 + number % 3)) for number in range(60)]
    found = [set(batch.rows_of_examples()) for batch in training_batches(encoded, 5, PAD, seed=0, epoch=0)]

    assert [len(sizes) for sizes in found] == [1] * 12
