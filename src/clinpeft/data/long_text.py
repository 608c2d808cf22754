"""A text longer than the model: all of it in overlapping windows, or its two ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal

WindowPooling = Literal["mean", "max", "attention"]
"""How the logits of a text's windows become one: their mean, the highest of each, or a mean with learned weights."""
WINDOW_POOLING: dict[str, WindowPooling] = {
    "windows": "mean",
    "windows_max": "max",
    "windows_attention": "attention",
}
"""The values of `train.long_text` that read all of a text."""
HEAD_SHARE = 0.25
"""Share of the length that `head_tail` keeps from the start (Sun et al., 2019: 128 of 510)."""
OVERLAP_SHARE = 0.25
"""Share of a window that the next one reads again, so that what stands at a border has both its sides in one of them
(the usual stride of extractive question answering: Devlin et al., 2019, 128 of 384, is a third)."""


def head_and_tail(ids: list[int], room: int) -> list[int]:
    """The first quarter of `room` pieces from the start of a longer text, the rest from its end."""
    head = int(room * HEAD_SHARE)
    return ids[:head] + ids[len(ids) - (room - head) :]


def windows(num_pieces: int, room: int) -> list[range]:
    """The places of each window's pieces: `room` in each but the last, a quarter of them in the next one again.

    A text that fits is one window. room: at least 1.

    >>> windows(20, 8)
    [range(0, 8), range(6, 14), range(12, 20)]
    """
    overlap = int(room * OVERLAP_SHARE)
    num = 1 + max(0, -(-(num_pieces - room) // (room - overlap)))
    starts = (number * (room - overlap) for number in range(num))
    return [range(start, min(start + room, num_pieces)) for start in starts]


def paired_windows(first: int, second: int, room: int) -> list[tuple[range, range]]:
    """Windows of two texts that share `room`: the shorter one has up to half of it, and more where the other leaves it.

    What fits its share stands whole in every window. Of two that do not, the windows go along together, so that each
    piece is read at least once.
    """
    share_of_second = min(second, max(room // 2, room - first))
    share_of_first = min(first, room - share_of_second)
    left, right = windows(first, max(1, share_of_first)), windows(second, max(1, share_of_second))
    num = max(len(left), len(right))
    return [(left[number * len(left) // num], right[number * len(right) // num]) for number in range(num)]


def word_windows(sizes: Sequence[int], room: int) -> Iterator[tuple[range, range]]:
    """For words of so many pieces (1 to `room` each), the words of each window, and which of them it answers for.

    Every word belongs to one window: the one where it stands farthest from a border. The text's own start and end are
    no borders, for nothing is missing there.

    >>> [(list(words), list(own)) for words, own in word_windows([1] * 12, 8)]
    [([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6]), ([6, 7, 8, 9, 10, 11], [7, 8, 9, 10, 11])]
    """
    ends = list(accumulate(sizes, initial=0))
    spans = list(_word_spans(ends, room))
    first = 0
    for span, after in zip(spans, [*spans[1:], None], strict=True):
        last = span.stop
        if after is not None:
            # As far from this window's end as from the next one's start, or nearer to that start.
            middle = ends[span.stop] + ends[after.start]
            last = next(word for word in range(after.start, last + 1) if _middle(ends, word) > middle)
        yield span, range(first, last)
        first = last


def _word_spans(ends: list[int], room: int) -> Iterator[range]:
    """As many words as fit, then from so many words before there as a quarter of the room holds."""
    num, overlap = len(ends) - 1, int(room * OVERLAP_SHARE)
    start = stop = 0
    while stop < num or num == 0:
        while stop < num and ends[stop + 1] - ends[start] <= room:
            stop += 1
        yield range(start, stop)
        if stop == num:
            return
        start = next(
            word
            for word in range(start, stop + 1)
            if ends[stop] - ends[word] <= overlap and _fits(ends, word, stop, room)
        )


def _fits(ends: list[int], start: int, word: int, room: int) -> bool:
    return ends[word + 1] - ends[start] <= room


def _middle(ends: list[int], word: int) -> float:
    """Twice the middle of a word, in pieces; beyond the last word there is none."""
    return ends[word] + ends[word + 1] if word + 1 < len(ends) else float("inf")
