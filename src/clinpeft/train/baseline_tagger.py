"""A tagger without a neural network: logistic regression on each word's neighbourhood, decoded to valid IOB2."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from clinpeft.metrics.base import Floats
from clinpeft.tasks.base import Example
from clinpeft.train.baseline_text import logistic_path

Tagger = Callable[[Sequence[Example]], list[tuple[str, ...]]]

MANY_WORDS = 20_000
"""From here on a feature must occur with two training words to count."""
EDGE = "<edge>"


def fit_taggers(train: Sequence[Example], penalties: Sequence[float]) -> list[Tagger]:
    """A tagger per inverse penalty (ascending); train must hold at least two different tags."""
    from sklearn.feature_extraction.text import CountVectorizer

    words = [features for example in train for features in word_features(example.tokens)]
    tags = [tag for example in train for tag in example.tags]
    vectorizer = CountVectorizer(
        analyzer=_as_given, binary=True, dtype=np.float64, min_df=2 if len(words) >= MANY_WORDS else 1
    )
    models = logistic_path(vectorizer.fit_transform(words), tags, penalties)
    return [partial(_tag, vectorizer, model) for model in models]


def word_features(tokens: Sequence[str]) -> list[list[str]]:
    """For every word: itself, its shape, its ends, and the same of its neighbours (two words to each side)."""
    lower = [EDGE, EDGE, *(token.lower() for token in tokens), EDGE, EDGE]
    shapes = [EDGE, *(_shape(token) for token in tokens), EDGE]
    rows = []
    for i, token in enumerate(tokens):
        before2, before, word, after, after2 = lower[i : i + 5]
        rows.append(
            [
                f"0={word}",
                f"exact={token}",
                *(f"start={word[:size]}" for size in (2, 3, 4)),
                *(f"end={word[-size:]}" for size in (2, 3, 4)),
                *(f"shape{at}={shape}" for at, shape in zip((-1, 0, 1), shapes[i : i + 3], strict=True)),
                f"-2={before2}",
                f"-1={before}",
                f"1={after}",
                f"2={after2}",
                f"-1,0={before} {word}",
                f"0,1={word} {after}",
                f"-1end={before[-3:]}",
                f"1end={after[-3:]}",
            ]
        )
    return rows


def decode(log_probabilities: Floats, tags: Sequence[str]) -> tuple[str, ...]:
    """The likeliest valid IOB2 sequence for one sentence, from log probabilities [words, tags] (Viterbi).

    `I-X` may only follow `B-X` or `I-X`. No word gives no tag.
    """
    if len(log_probabilities) == 0:
        return ()
    may_follow = np.array([[_may_follow(after, before) for before in tags] for after in tags])
    may_start = np.array([not tag.startswith("I-") for tag in tags])
    best = np.where(may_start, log_probabilities[0], -np.inf)
    origins = []
    for row in log_probabilities[1:]:
        reached = np.where(may_follow, best[None, :], -np.inf)
        origins.append(reached.argmax(axis=1))
        best = reached.max(axis=1) + row
    path = [int(best.argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return tuple(tags[index] for index in reversed(path))


def _may_follow(after: str, before: str) -> bool:
    return not after.startswith("I-") or before in {after, f"B-{after[2:]}"}


def _tag(vectorizer: Any, model: Any, examples: Sequence[Example]) -> list[tuple[str, ...]]:
    words = [features for example in examples for features in word_features(example.tokens)]
    if not words:
        return [()] * len(examples)
    log_probabilities = model.predict_log_proba(vectorizer.transform(words))
    ends = np.cumsum([len(example.tokens) for example in examples])
    tags = [str(tag) for tag in model.classes_]
    return [decode(rows, tags) for rows in np.split(log_probabilities, ends[:-1])]


def _as_given(features: list[str]) -> list[str]:
    return features


def _shape(token: str) -> str:
    """`Xx-d` for `Type-2`: runs of upper-case letters, lower-case letters and digits, other characters kept.

    >>> _shape("HbA1c")
    'XxXdx'
    """
    for pattern, sign in ((r"[A-Z]+", "X"), (r"[a-z]+", "x"), (r"[0-9]+", "d")):
        token = re.sub(pattern, sign, token)
    return token
