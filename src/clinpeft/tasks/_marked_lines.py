"""Marked notes as lines of tagged tokens: by a tokeniser blind to the marks, or as the published scripts cut."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from clinpeft.sources._anchors import Mark
from clinpeft.tasks._iob2 import tokens_in
from clinpeft.tasks.base import Example, Span


@dataclass(frozen=True, slots=True)
class Line:
    """A line that holds a word; it counts from 1, offsets are code points in the line, end exclusive."""

    number: int
    text: str = field(repr=False)
    bounds: tuple[tuple[int, int], ...]
    """Of its tokens."""
    tags: tuple[str, ...]
    spans: tuple[Span, ...]
    """What of the marks lies on this line; empty where tags alone say it."""


def documents_missing(part: str, found: int, published: int) -> str | None:
    """Why counts of a part cannot be the published ones, where documents of it are not there."""
    return f"the raw files hold {found:,} of {published:,} {part} documents" if found < published else None


def tagged_lines(text: str, marks: Sequence[Mark]) -> tuple[list[Line], list[Mark], list[tuple[int, str]]]:
    """The lines, the marks that they hold, and (row, what is odd) of marks; blank lines are left out.

    Tokens are runs of letters, runs of digits and single other signs. A token that a mark touches belongs to it; a
    mark across lines begins anew on each. Of marks that share a token the longest stays, then the first.
    """
    tokens = tokens_in(text)
    starts, ends = [start for start, _ in tokens], [end for _, end in tokens]
    owners: list[Mark | None] = [None] * len(tokens)
    kept, problems = [], []
    for mark in sorted(marks, key=lambda mark: (mark.start - mark.end, mark.start, mark.label, mark.row)):
        first, last = bisect_right(ends, mark.start), bisect_left(starts, mark.end)
        if first >= last or any(owners[first:last]):
            problems.append((mark.row, "span-without-word" if first >= last else "span-shares-word"))
            continue
        owners[first:last] = [mark] * (last - first)
        kept.append(mark)
        if starts[first] < mark.start or mark.end < ends[last - 1]:
            problems.append((mark.row, "span-off-token-edges"))
    lines = list(_lines(text, tokens, owners))
    return lines, sorted(kept, key=lambda mark: (mark.start, mark.row)), sorted(problems)


def lines_cut_at_marks(text: str, marks: Sequence[Mark]) -> tuple[list[Line], list[str]]:
    """The lines as the scripts of clinicalBERT and bio-lm make them, and the type of every `B-` that they write.

    Each character gets a label, that of the last mark over it. A line is cut wherever labels change, test lines as
    well, and the pieces are parted at blanks: so tokens end where marks end, and marks of one type that touch become
    one. A mark's part on a further line starts with `I-` there; here that is `B-`, as datasets hold IOB2 — conlleval,
    which those scripts' scores come from, counts the same entities.
    """
    labels = _character_labels(text, marks)
    lines, openings = [], []
    line_start = 0
    for number, line in enumerate(text.split("\n"), start=1):
        bounds, tags = [], []
        for start, end in _pieces(labels, line_start, line_start + len(line)):
            words = [(start + word.start(), start + word.end()) for word in re.finditer(r"\S+", text[start:end])]
            written = _piece_labels(labels, start, end, len(words))
            openings += [label[2:] for label in written if label.startswith("B-")]
            bounds += [(first - line_start, last - line_start) for first, last in words]
            tags += written
        if bounds:
            lines.append(Line(number, line.removesuffix("\r"), tuple(bounds), _with_openings(tags), ()))
        line_start += len(line) + 1
    return lines, openings


def example_of(line: Line, document: str, subject: str, split: Literal["train", "validation", "test"]) -> Example:
    """The line as an example called `<document>:<line>`."""
    return Example(
        example=f"{document}:{line.number}",
        subject=subject,
        document=document,
        text=line.text,
        split=split,
        tokens=tuple(line.text[start:end] for start, end in line.bounds),
        starts=tuple(start for start, _ in line.bounds),
        ends=tuple(end for _, end in line.bounds),
        tags=line.tags,
        spans=line.spans,
    )


def _lines(text: str, tokens: Sequence[tuple[int, int]], owners: Sequence[Mark | None]) -> Iterator[Line]:
    line_start, first = 0, 0
    for number, line in enumerate(text.split("\n"), start=1):
        line_end = line_start + len(line)
        last = bisect_left(tokens, (line_end, line_end), first)
        if first < last:
            tags, spans = _tags_and_spans(tokens[first:last], owners[first:last], line_start)
            bounds = tuple((start - line_start, end - line_start) for start, end in tokens[first:last])
            yield Line(number, line.removesuffix("\r"), bounds, tags, spans)
        line_start, first = line_end + 1, last


def _tags_and_spans(
    tokens: Sequence[tuple[int, int]], owners: Sequence[Mark | None], line_start: int
) -> tuple[tuple[str, ...], tuple[Span, ...]]:
    tags: list[str] = []
    spans: list[Span] = []
    before: Mark | None = None
    for (start, end), mark in zip(tokens, owners, strict=True):
        if mark is None:
            tags.append("O")
        else:
            span = Span(max(start, mark.start) - line_start, min(end, mark.end) - line_start, mark.label)
            is_first = mark is not before
            tags.append(f"{'B' if is_first else 'I'}-{mark.label}")
            if not is_first:
                span = Span(spans.pop().start, span.end, mark.label)
            spans.append(span)
        before = mark
    return tuple(tags), tuple(spans)


def _character_labels(text: str, marks: Sequence[Mark]) -> list[str]:
    labels = ["O"] * len(text)
    for mark in marks:
        labels[mark.start : mark.end] = [f"B-{mark.label}"] + [f"I-{mark.label}"] * (mark.end - mark.start - 1)
    return labels


def _pieces(labels: Sequence[str], line_start: int, line_end: int) -> Iterator[tuple[int, int]]:
    """Stretches of a line whose characters are of one type, or of none; an empty line has none."""
    start = line_start
    for at in range(line_start + 1, line_end):
        if labels[at][2:] != labels[at - 1][2:]:
            yield start, at
            start = at
    if start < line_end:
        yield start, line_end


def _piece_labels(labels: Sequence[str], start: int, end: int, num_words: int) -> list[str]:
    """The labels of a piece's words: of its first, its second and its last character, as the scripts take them."""
    if num_words < 2:
        return [labels[start]] * num_words
    return [labels[start], *[labels[start + 1]] * (num_words - 2), labels[end - 1]]


def _with_openings(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags with every `I-` that continues nothing as `B-`."""
    return tuple(
        f"B-{tag[2:]}" if tag.startswith("I-") and before[2:] != tag[2:] else tag
        for before, tag in zip(["O", *tags], tags, strict=False)
    )
