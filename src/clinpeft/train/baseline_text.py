"""Word features and logistic regression for whole texts, pairs of texts and relations."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from clinpeft.metrics.base import Floats
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example, Span
from clinpeft.train.predictions import Bools, Ints

Probabilities = Callable[[Any], Floats]
"""From a feature matrix [n, d], sparse or not, to probabilities [n, k]."""

MAX_FEATURES = 200_000
MAX_ITERATIONS = 300
MANY_EXAMPLES = 1000
"""From here on a word must occur in two training texts to count."""
WORD = re.compile(r"\w+")
TEXT_START = "textstart "
"""Put before every text: tells a text's first word apart, and leaves no text without words."""


class TextFeatures:
    """Sublinear tf-idf of words and word pairs, one vocabulary per field of an example; built on train.

    Pairs: both texts, the words they share, and how much they overlap. Relations: the text with the two mentions
    replaced by their types, the words between them, and the mentions.
    """

    def __init__(self, train: Sequence[Example], kind: Kind) -> None:
        self.kind = kind
        fields = list(zip(*(_fields(example, kind) for example in train), strict=True))
        # The two texts of a pair share a vocabulary, so that a word of both can be seen to be the same.
        groups = [[text for texts in fields for text in texts]] * 2 if kind == "pairs" else fields
        self.vectorizers = [_vectorizer(len(train)).fit(texts) for texts in groups]

    def __call__(self, examples: Sequence[Example]) -> Any:
        """Sparse float [n, d]; at least one example."""
        from scipy.sparse import csr_matrix, hstack

        fields = list(zip(*(_fields(example, self.kind) for example in examples), strict=True))
        blocks = [vectorizer.transform(texts) for vectorizer, texts in zip(self.vectorizers, fields, strict=True)]
        if self.kind == "pairs":
            overlaps = [_overlap(example.text, example.text_b or "") for example in examples]
            blocks += [blocks[0].multiply(blocks[1]), csr_matrix(overlaps)]
        return hstack(blocks, format="csr")


def fit_probabilities(
    features: Any, gold: Ints, missing: Bools | None, num_labels: int, penalties: Sequence[float]
) -> list[Probabilities]:
    """For every inverse penalty (ascending) a logistic regression: over the classes, or one per multi-label label.

    A class that train does not hold gets 0; a label is fitted on the examples where it was annotated.
    """
    if missing is None:
        return _fit_path(features, gold, num_labels, penalties)
    per_label = [
        _fit_path(features[~missing[:, label]], gold[~missing[:, label], label], 2, penalties)
        for label in range(num_labels)
    ]
    return [partial(_of_labels, [path[i] for path in per_label]) for i in range(len(penalties))]


def logistic_path(features: Any, gold: Any, penalties: Sequence[float]) -> list[Any]:
    """Fitted sklearn regressions, one per inverse penalty; each starts where the one before ended."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model, path = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True), []
    with warnings.catch_warnings():
        # A fit that the limit stops is one more candidate: validation judges it like the others.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for penalty in penalties:
            path.append(copy.deepcopy(model.set_params(C=penalty).fit(features, gold)))
    return path


def _vectorizer(num_examples: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    min_df = 2 if num_examples >= MANY_EXAMPLES else 1
    return TfidfVectorizer(
        token_pattern=WORD.pattern, ngram_range=(1, 2), sublinear_tf=True, min_df=min_df, max_features=MAX_FEATURES
    )


def _fields(example: Example, kind: Kind) -> tuple[str, ...]:
    if kind == "pairs":
        return TEXT_START + example.text, TEXT_START + (example.text_b or "")
    if kind == "relations":
        assert example.head is not None and example.tail is not None
        return _relation_fields(example.text, example.head, example.tail)
    return (TEXT_START + example.text,)


def _relation_fields(text: str, head: Span, tail: Span) -> tuple[str, str, str]:
    """The text around placeholders, what stands between the mentions (after their order), and the mentions."""
    (first, first_name), (second, second_name) = sorted(
        ((head, _placeholder("head", head)), (tail, _placeholder("tail", tail))), key=lambda item: item[0].start
    )
    between = text[first.end : second.start]
    marked = f"{text[: first.start]} {first_name} {between} {second_name} {text[max(first.end, second.end) :]}"
    mentions = (
        f"{role}{word}" for role, span in (("h_", head), ("t_", tail)) for word in _words(text[span.start : span.end])
    )
    return marked, f"{first_name} {second_name} {between}", f"{TEXT_START} {' '.join(mentions)}"


def _placeholder(role: str, span: Span) -> str:
    return role + "_" + "".join(WORD.findall(span.label))


def _overlap(left: str, right: str) -> tuple[float, float, float]:
    """Jaccard index of the two texts' words, and the share of each text's words that the other has."""
    a, b = set(_words(left)), set(_words(right))
    shared = len(a & b)
    return shared / max(1, len(a | b)), shared / max(1, len(a)), shared / max(1, len(b))


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _fit_path(features: Any, gold: Ints, num_classes: int, penalties: Sequence[float]) -> list[Probabilities]:
    present = np.unique(gold)
    if len(present) < 2:
        only = int(present[0]) if len(present) else 0
        return [partial(_constant, only, num_classes)] * len(penalties)
    return [partial(_of_classes, model, num_classes) for model in logistic_path(features, gold, penalties)]


def _constant(only: int, num_classes: int, features: Any) -> Floats:
    return np.tile(np.eye(num_classes)[only], (features.shape[0], 1))


def _of_classes(model: Any, num_classes: int, features: Any) -> Floats:
    probabilities = np.zeros((features.shape[0], num_classes))
    probabilities[:, model.classes_] = model.predict_proba(features)
    return probabilities


def _of_labels(labels: Sequence[Probabilities], features: Any) -> Floats:
    return np.stack([probabilities(features)[:, 1] for probabilities in labels], axis=1)
