"""Spans of text and IOB2 tags of tokens, each from the other."""

from __future__ import annotations

from collections.abc import Sequence

from clinpeft.tasks._iob2 import tags_from_spans as tags_from_spans
from clinpeft.tasks.base import Span


def spans_from_tags(starts: Sequence[int], ends: Sequence[int], tags: Sequence[str]) -> tuple[Span, ...]:
    """The spans that valid IOB2 tags stand for, from the first token's start to the last token's end.

    >>> spans_from_tags([0, 4, 9], [3, 8, 12], ["B-drug", "I-drug", "O"])
    (Span(start=0, end=8, label='drug'),)
    """
    spans: list[Span] = []
    for start, end, tag in zip(starts, ends, tags, strict=True):
        if tag.startswith("B-"):
            spans.append(Span(start, end, tag[2:]))
        elif tag.startswith("I-"):
            spans[-1] = Span(spans[-1].start, end, spans[-1].label)
    return tuple(spans)


def tags_by_piece(tags: Sequence[str], counts: Sequence[int]) -> tuple[str, ...]:
    """Each word's tag at each of its `counts` pieces; a repeated `B-` opens an entity every time.

    >>> tags_by_piece(["B-drug", "I-drug", "O"], [3, 1, 2])
    ('B-drug', 'B-drug', 'B-drug', 'I-drug', 'O', 'O')
    """
    return tuple(tag for tag, count in zip(tags, counts, strict=True) for _ in range(count))


def is_iob2(tags: Sequence[str]) -> bool:
    """Whether every tag is `O`, `B-x`, or `I-x` right after `B-x` or `I-x`."""
    before = "O"
    for tag in tags:
        if tag != "O" and (tag[:2] not in {"B-", "I-"} or len(tag) == 2):
            return False
        if tag.startswith("I-") and before[2:] != tag[2:]:
            return False
        before = tag
    return True
