"""What every example must hold before it may stand in a dataset; a rule broken is named without the text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection

from clinpeft.data.spans import is_iob2
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example, Span


def problem_of(example: Example, kind: Kind, labels: Collection[str] | None) -> str | None:
    """The rule that `example` breaks, or None. `labels` are the allowed classes; None allows any."""
    for text in (example.text, example.text_b):
        if text is not None and (rule := _text_problem(text)):
            return rule
    if not example.example or not example.subject or not example.document:
        return "its id, subject or document is empty"
    return _entities_problem(example) if kind == "entities" else _labels_problem(example, kind, labels)


def labels_of(example: Example, kind: Kind) -> tuple[str, ...]:
    """What the card counts: the example's class or classes, or the type of each of its entities."""
    if kind == "entities":
        return tuple(span.label for span in example.spans)
    if kind == "multilabel":
        return example.labels
    return () if example.label is None else (example.label,)


def _text_problem(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "its text holds half a surrogate pair"
    return "its text holds a NUL character" if "\0" in text else None


def _labels_problem(example: Example, kind: Kind, labels: Collection[str] | None) -> str | None:
    given = (*example.labels, *example.missing) if kind == "multilabel" else labels_of(example, kind)
    if kind != "multilabel" and not given:
        return "it has no label"
    if any(not label for label in given):
        return "it has an empty label"
    if len(set(given)) < len(given):
        return "it names a label twice"
    if labels is not None and not set(given) <= set(labels):
        return "it has a label that the task does not list"
    if kind == "pairs" and not example.text_b:
        return "it has no second text"
    if kind == "relations":
        if example.head is None or example.tail is None:
            return "it has no head or no tail"
        return _spans_problem((example.head, example.tail), example.text)
    return None


def _entities_problem(example: Example) -> str | None:
    starts, ends, tokens = example.starts, example.ends, example.tokens
    if not tokens:
        return "it has no tokens"
    if not len(tokens) == len(starts) == len(ends) or (example.tags and len(example.tags) != len(tokens)):
        return "tokens, starts, ends and tags differ in number"
    end_before = 0
    for token, start, end in zip(tokens, starts, ends, strict=True):
        if not end_before <= start < end:
            return "its tokens overlap, are empty or stand out of order"
        if end > len(example.text) or example.text[start:end] != token:
            return "a token differs from the text at its offsets"
        end_before = end
    if not is_iob2(example.tags):
        return "its tags are no IOB2 (O, B-x, or I-x right after B-x or I-x)"
    return _spans_problem(example.spans, example.text) or _off_tokens_problem(example)


def _spans_problem(spans: tuple[Span, ...], text: str) -> str | None:
    for span in spans:
        if not 0 <= span.start < span.end:
            return "a span starts below 0, or not before its end"
        if span.end > len(text):
            return "a span ends beyond the text"
        if not span.label:
            return "a span has no label"
    return None


def _off_tokens_problem(example: Example) -> str | None:
    for span in example.spans:
        if bisect_right(example.ends, span.start) >= bisect_left(example.starts, span.end):
            return "a span touches no token"
    return None
