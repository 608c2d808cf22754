"""Tokens that are cut whatever is marked, and their IOB2 tags from marked spans of text."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from clinpeft.tasks.base import Span

_TOKEN = re.compile(r"[^\W\d_]+|\d+|\S")


def tokens_in(text: str) -> list[tuple[int, int]]:
    """Offsets of the tokens: runs of letters, runs of digits, and every other sign that is no blank alone.

    >>> tokens_in("20mg (q6h)")
    [(0, 2), (2, 4), (5, 6), (6, 7), (7, 8), (8, 9), (9, 10)]
    """
    return [found.span() for found in _TOKEN.finditer(text)]


def tags_from_spans(
    starts: Sequence[int], ends: Sequence[int], spans: Sequence[Span]
) -> tuple[tuple[str, ...], tuple[Span, ...]]:
    """IOB2 tags of n tokens, and the spans that the tags hold, in order of the text.

    A token that a span touches belongs to it. Of spans that share a token the longest wins (then the earliest, then
    the label that sorts first); the others, and spans that touch no token, are left out. Tokens must not overlap.

    >>> tags_from_spans([0, 4, 9], [3, 8, 12], [Span(0, 8, "drug"), Span(4, 8, "dose")])
    (('B-drug', 'I-drug', 'O'), (Span(start=0, end=8, label='drug'),))
    """
    tags = ["O"] * len(starts)
    kept = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start, span.label)):
        first, last = bisect_right(ends, span.start), bisect_left(starts, span.end)
        if first >= last or any(tag != "O" for tag in tags[first:last]):
            continue
        tags[first:last] = [f"B-{span.label}"] + [f"I-{span.label}"] * (last - first - 1)
        kept.append(span)
    return tuple(tags), tuple(sorted(kept, key=lambda span: span.start))
