"""The baselines every table shows: what a model must beat before its cost is worth discussing.

`majority` knows how often each label occurs in train, and no text. `tfidf-logistic` is logistic regression on counted
words (for entities, on each word's neighbourhood) with its penalty chosen on validation: often hard to beat. The third,
`encoder-logistic`, needs a model: see baseline_encoder.
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
from clinpeft.spec import BASELINES, ENCODER_BASELINE
from clinpeft.tasks.base import Example
from clinpeft.train.baseline_tagger import Tagger, fit_taggers
from clinpeft.train.baseline_text import Probabilities, TextFeatures, fit_probabilities
from clinpeft.train.predictions import gold_of, predictions_from

Predict = Callable[[Sequence[Example]], Predictions]

NAMES: list[str] = [name for name in BASELINES if name != ENCODER_BASELINE]
"""Of the baselines that no model reads for."""

PENALTIES = (1.0, 10.0, 100.0)
"""Inverse penalties that validation chooses from."""
DEFAULT_PENALTY = 10.0
"""Without validation examples, or with more labels than is quick to fit three times."""
MANY_LABELS = 100


def fit_baseline(name: str, train: Sequence[Example], validation: Sequence[Example], card: Card) -> Predict:
    """The baseline `name` (`majority` or `tfidf-logistic`) fitted on train: a function from examples to predictions.

    Deterministic, on one thread. Where train holds a single answer both are the same. Raises UnknownName.
    """
    if name not in NAMES:
        raise UnknownName(f"baseline '{name}'", "no baseline of words has this name", did_you_mean(name, NAMES))
    if name == "majority" or not has_contrast(train, card):
        return _fit_majority(train, card)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        fit = _fit_taggers if card.kind == "entities" else _fit_classifiers
        fitted = fit(train, card, penalties_for(card, is_tuned=len(validation) > 0))
        return fitted[0] if len(fitted) == 1 else fitted[best_of([predict(validation) for predict in fitted], card)]


def penalties_for(card: Card, *, is_tuned: bool) -> tuple[float, ...]:
    """The inverse penalties to fit, ascending; is_tuned: whether there are examples to choose on."""
    return PENALTIES if is_tuned and len(card.labels) <= MANY_LABELS else (DEFAULT_PENALTY,)


def best_of(candidates: Sequence[Predictions], card: Card) -> int:
    """Which has the best headline metric, at thresholds chosen for it; the first on ties."""
    values = [_headline(predictions, card) if len(candidates) > 1 else 0.0 for predictions in candidates]
    return values.index(max(values))


def has_contrast(train: Sequence[Example], card: Card) -> bool:
    """Whether train holds more than one answer."""
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


def _headline(predictions: Predictions, card: Card) -> float:
    metric = METRICS.get(card.metric)()
    value = score(metric, with_thresholds(predictions, choose_thresholds(predictions)), num_resamples=0).value
    if value is None:
        return -np.inf
    return value if metric.higher_is_better else -value
