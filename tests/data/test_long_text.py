"""Windows overlap and leave nothing out; every word belongs to the window that shows most of what is around it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.long_text import head_and_tail, paired_windows, windows, word_windows


def test_a_text_that_fits_is_one_window() -> None:
    assert windows(8, 8) == [range(8)]
    assert windows(0, 8) == [range(0)]


def test_one_piece_more_than_fits_is_a_second_window_that_begins_a_quarter_earlier() -> None:
    assert windows(9, 8) == [range(8), range(6, 9)]


@given(num_pieces=st.integers(0, 300), room=st.integers(1, 40))
def test_windows_read_every_piece_and_share_a_quarter(num_pieces: int, room: int) -> None:
    found = windows(num_pieces, room)

    assert {place for window in found for place in window} == set(range(num_pieces))
    assert all(len(window) == room for window in found[:-1])
    assert len(found[-1]) <= room
    assert all(len(set(left) & set(right)) == room // 4 for left, right in pairwise(found))


def test_head_and_tail_are_a_quarter_and_three_quarters() -> None:
    assert head_and_tail(list(range(20)), 8) == [0, 1, 14, 15, 16, 17, 18, 19]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (3, 4, [(range(3), range(4))]),
        (9, 2, [(range(6), range(2)), (range(5, 9), range(2))]),
        (2, 9, [(range(2), range(6)), (range(2), range(5, 9))]),
        (8, 8, [(range(4), range(4)), (range(3, 7), range(3, 7)), (range(6, 8), range(6, 8))]),
    ],
    ids=["both fit", "a short second stands in every window", "a short first too", "two long ones go along together"],
)
def test_windows_of_a_pair(first: int, second: int, expected: list[tuple[range, range]]) -> None:
    assert paired_windows(first, second, 8) == expected


@given(first=st.integers(0, 60), second=st.integers(0, 60), room=st.integers(5, 30))
def test_windows_of_a_pair_read_every_piece_of_both_within_the_room(first: int, second: int, room: int) -> None:
    found = paired_windows(first, second, room)

    assert {place for left, _ in found for place in left} == set(range(first))
    assert {place for _, right in found for place in right} == set(range(second))
    assert all(len(left) + len(right) <= room for left, right in found)


def test_words_in_two_windows_belong_to_the_one_in_whose_middle_they_are_nearer() -> None:
    # Windows of 8 share 2 words: the first of them is nearer to the first window's middle.
    assert list(word_windows([1] * 12, 8)) == [(range(8), range(7)), (range(6, 12), range(7, 12))]


def test_a_word_is_never_torn() -> None:
    assert list(word_windows([3, 3, 3, 3], 8)) == [(range(2), range(2)), (range(2, 4), range(2, 4))]


def test_no_words_are_one_empty_window() -> None:
    assert list(word_windows([], 8)) == [(range(0), range(0))]


@given(sizes=st.lists(st.sampled_from([1, 1, 1, 2, 3, 5]), max_size=60), room=st.integers(5, 24))
def test_every_word_belongs_to_the_window_where_it_stands_farthest_from_a_border(sizes: list[int], room: int) -> None:
    found = list(word_windows(sizes, room))

    def distance(window: range, word: int) -> float:
        before, after = sum(sizes[window.start : word]), sum(sizes[word + 1 : window.stop])
        is_first, is_last = window.start == 0, window.stop == len(sizes)
        return min(float("inf") if is_first else before, float("inf") if is_last else after)

    assert [word for _, own in found for word in own] == list(range(len(sizes)))
    for window, own in found:
        assert sum(sizes[word] for word in window) <= room
        for word in own:
            assert distance(window, word) == max(distance(other, word) for other, _ in found if word in other)
