"""Sentences that come as words only: text and offsets made from them."""

from __future__ import annotations

from collections.abc import Sequence


def joined(words: Sequence[str]) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """The words with one blank between, and where each starts and ends in that text; empty for no words.

    >>> joined(["no", "chest", "pain"])
    ('no chest pain', (0, 3, 9), (2, 8, 13))
    """
    starts, end = [], -1
    for word in words:
        starts.append(end + 1)
        end += 1 + len(word)
    ends = tuple(start + len(word) for start, word in zip(starts, words, strict=True))
    return " ".join(words), tuple(starts), ends
