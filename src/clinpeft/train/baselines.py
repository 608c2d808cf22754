"""The two baselines every table shows: what a model must beat before its cost is worth discussing.

`majority` knows how often each label occurs in train, and no text. `tfidf-logistic` is logistic regression on counted
words (for entities, on each word's neighbourhood) with its penalty chosen on validation: often hard to beat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from clinpeft.data.card import Card
from clinpeft.errors import UnknownName, did_you_mean
from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.metrics.intervals import score
from clinpeft.metrics.thresholds import choose_thresholds, with_thresholds
from clinpeft.spec import BASELINES
from clinpeft.tasks.base import Example
from clinpeft.train.baseline_tagger import Tagger, fit_taggers
from clinpeft.train.baseline_text import Probabilities, TextFeatures, fit_probabilities
from clinpeft.train.predictions import gold_of, predictions_from

Predict = Callable[[Sequence[Example]], Predictions]

PENALTIES = (1.0, 10.0, 100.0)
"""Inverse penalties that validation chooses from."""
DEFAULT_PENALTY = 10.0
"""Without validation examples, or with more labels than is quick to fit three times."""
MANY_LABELS = 100


def fit_baseline(name: str, train: Sequence[Example], validation: Sequence[Example], card: Card) -> Predict:
    """The baseline `name` (`majority` or `tfidf-logistic`) fitted on train: a function from examples to predictions.

    Deterministic, on one thread. Where train holds a single answer both are the same. Raises UnknownName.
    """
    if name not in BASELINES:
        raise UnknownName(f"baseline '{name}'", "no baseline has this name", did_you_mean(name, list(BASELINES)))
    if name == "majority" or not _has_contrast(train, card):
        return _fit_majority(train, card)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        is_tuned = len(validation) > 0 and len(card.labels) <= MANY_LABELS
        penalties = PENALTIES if is_tuned else (DEFAULT_PENALTY,)
        fit = _fit_taggers if card.kind == "entities" else _fit_classifiers
        return _best_of(fit(train, card, penalties), validation, card)


def _has_contrast(train: Sequence[Example], card: Card) -> bool:
    if card.kind == "entities":
        return len({tag for example in train for tag in example.tags}) > 1
    return len({(example.label, example.labels) for example in train}) > 1


def _fit_majority(train: Sequence[Example], card: Card) -> Predict:
    """Every label's share of train as its probability; for entities no entity anywhere."""
    if card.kind == "entities":
        return lambda examples: predictions_from(examples, card, predicted_tags=[()] * len(examples))
    gold, missing = gold_of(train, card)
    if missing is None:
        shares = np.bincount(gold, minlength=len(card.labels)) / max(1, len(train))
    else:
        shares = (gold * ~missing).sum(axis=0) / np.maximum(1, (~missing).sum(axis=0))
    return lambda examples: predictions_from(examples, card, np.tile(shares, (len(examples), 1)))


def _fit_taggers(train: Sequence[Example], card: Card, penalties: Sequence[float]) -> list[Predict]:
    def predict(tagger: Tagger, examples: Sequence[Example]) -> Predictions:
        return predictions_from(examples, card, predicted_tags=tagger(examples))

    return [partial(predict, tagger) for tagger in fit_taggers(train, penalties)]


def _fit_classifiers(train: Sequence[Example], card: Card, penalties: Sequence[float]) -> list[Predict]:
    features = TextFeatures(train, card.kind)
    gold, missing = gold_of(train, card)
    fitted = fit_probabilities(features(train), gold, missing, len(card.labels), penalties)

    def predict(probabilities: Probabilities, examples: Sequence[Example]) -> Predictions:
        scores = probabilities(features(examples)) if examples else np.zeros((0, len(card.labels)))
        return predictions_from(examples, card, scores)

    return [partial(predict, probabilities) for probabilities in fitted]


def _best_of(candidates: Sequence[Predict], validation: Sequence[Example], card: Card) -> Predict:
    """The candidate with the best headline metric on validation, at thresholds chosen there; the first on ties."""
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda predict: _headline(predict(validation), card))


def _headline(predictions: Predictions, card: Card) -> float:
    metric = METRICS.get(card.metric)()
    value = score(metric, with_thresholds(predictions, choose_thresholds(predictions)), num_resamples=0).value
    if value is None:
        return -np.inf
    return value if metric.higher_is_better else -value
