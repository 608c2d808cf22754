"""What every metric promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from clinpeft.metrics.base import Metric, Predictions
from clinpeft.metrics.intervals import score
from clinpeft.spec import Kind
from clinpeft.testing._rules import CheckResult, Rule, empty_attributes, results


def check_metric(entry: type[Metric]) -> list[CheckResult]:
    """The promises of a metric, on a few predictions of each of its kinds."""
    return results(entry, METRIC_RULES)


def _says_what_it_is(entry: type[Metric]) -> str | None:
    known = get_args(Kind)
    if not entry.kinds or any(kind not in known for kind in entry.kinds):
        return f"kinds must be some of {', '.join(known)}"
    return empty_attributes(entry, ["title"])


def _has_a_value_on_ordinary_predictions(entry: type[Metric]) -> str | None:
    for kind in entry.kinds:
        predictions = few_predictions(kind)
        if reason := entry().undefined(predictions):
            return f"{kind}: {reason}"
        if not np.isfinite(_value(entry, predictions)):
            return f"{kind}: no finite value, and no reason"
    return None


def _gives_a_reason_without_examples(entry: type[Metric]) -> str | None:
    bare = [kind for kind in entry.kinds if not entry().undefined(_taken(few_predictions(kind), []))]
    return f"no reason for {', '.join(bare)}" if bare else None


def _has_a_value_or_a_reason_on_constant_predictions(entry: type[Metric]) -> str | None:
    for kind in entry.kinds:
        for predictions in (_constant(few_predictions(kind)), _taken(_constant(few_predictions(kind)), [0, 0, 0])):
            if not entry().undefined(predictions) and not np.isfinite(_value(entry, predictions)):
                return f"{kind}: no finite value, and no reason"
    return None


def _does_not_depend_on_the_order_of_examples(entry: type[Metric]) -> str | None:
    for kind in entry.kinds:
        predictions = few_predictions(kind)
        backwards = _taken(predictions, range(len(predictions))[::-1])
        if not np.isclose(_value(entry, predictions), _value(entry, backwards), rtol=1e-12):
            return f"{kind}: another value when the examples stand backwards"
    return None


def _counts_an_example_as_often_as_its_weight_says(entry: type[Metric]) -> str | None:
    for kind in entry.kinds:
        predictions = few_predictions(kind)
        weights = np.array(
            [np.ones(len(predictions)), np.arange(len(predictions)) % 3 + 1.0, np.zeros(len(predictions))]
        )
        values = entry().values(predictions, weights)
        if values.shape != (3,):
            return f"{kind}: values has shape {values.shape} for 3 weightings"
        for row, value in zip(weights[:2], values[:2], strict=True):
            repeated = _taken(predictions, np.repeat(np.arange(len(predictions)), row.astype(int)).tolist())
            if not np.isclose(value, _value(entry, repeated), rtol=1e-12):
                return f"{kind}: a weight of 2 is not the same as the example twice"
        if not np.isnan(values[2]):
            return f"{kind}: weights of 0 give a value instead of NaN"
    return None


def _scores_what_it_values(entry: type[Metric]) -> str | None:
    for kind in entry.kinds:
        predictions = few_predictions(kind)
        scored = score(entry(), predictions, num_resamples=2).value
        if scored is None or not np.isclose(scored, _value(entry, predictions), rtol=1e-12):
            return f"{kind}: the score differs from the value under weights of one"
    return None


def _prefers_right_predictions_to_wrong_ones(entry: type[Metric]) -> str | None:
    sign = 1 if entry.higher_is_better else -1
    for kind in entry.kinds:
        right, some, wrong = (sign * _value(entry, _answered(few_predictions(kind), by)) for by in (0, None, 1))
        if not right >= some >= wrong or not right > wrong:
            return f"{kind}: right answers do not score better than wrong ones"
    return None


METRIC_RULES: tuple[Rule[Metric], ...] = (
    _says_what_it_is,
    _has_a_value_on_ordinary_predictions,
    _gives_a_reason_without_examples,
    _has_a_value_or_a_reason_on_constant_predictions,
    _does_not_depend_on_the_order_of_examples,
    _counts_an_example_as_often_as_its_weight_says,
    _scores_what_it_values,
    _prefers_right_predictions_to_wrong_ones,
)


def few_predictions(kind: Kind) -> Predictions:
    """Nine invented predictions of a kind, most of them right; every label is present and is predicted."""
    subjects = tuple(f"subject-{number}" for number in (1, 1, 2, 3, 4, 4, 5, 6, 7))
    if kind == "entities":
        words = ("O B-drug O", "B-problem I-problem O", "O", "B-drug O", "O O", "B-problem", "B-drug", "O B-drug", "O")
        tags = ("O B-drug O", "B-problem I-problem O", "O", "B-drug O", "O B-drug", "B-problem", "O", "O B-drug", "O")
        return Predictions(
            kind=kind,
            labels=("drug", "problem"),
            subjects=subjects,
            gold_tags=tuple(tuple(line.split()) for line in words),
            predicted_tags=tuple(tuple(line.split()) for line in tags),
            word_ends=tuple(tuple(range(4, 5 * len(line.split()), 5)) for line in words),
        )
    if kind == "multilabel":
        gold = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 0], [1, 0]])
        scores = np.where(gold == 1, 0.8, 0.3) + np.linspace(0, 0.1, 18).reshape(9, 2)
        scores[[0, 3], [0, 1]] = 0.1, 0.95
        missing = np.zeros((9, 2), dtype=bool)
        missing[8, 1] = True
        return Predictions(kind=kind, labels=("a", "b"), subjects=subjects, gold=gold, scores=scores, missing=missing)
    labels = ("none", "treats", "causes") if kind == "relations" else ("no", "yes")
    gold = np.array([0, 1, len(labels) - 1, 0, 1, 0, len(labels) - 1, 1, 0])
    chosen = np.array([0, 1, len(labels) - 1, 0, 0, 1, len(labels) - 1, 1, 0])
    scores = np.eye(len(labels))[chosen] * np.linspace(0.5, 0.8, 9)[:, None] + 0.15
    scores /= scores.sum(axis=1, keepdims=True)
    positive = None if kind == "relations" else 1
    return Predictions(kind=kind, labels=labels, subjects=subjects, gold=gold, scores=scores, positive=positive)


def _value(entry: type[Metric], predictions: Predictions) -> float:
    return float(entry().values(predictions, np.ones((1, len(predictions))))[0])


def _taken(predictions: Predictions, indices: Sequence[int]) -> Predictions:
    """The examples at `indices`, in that order."""
    rows = np.array(indices, dtype=int)
    return replace(
        predictions,
        subjects=tuple(predictions.subjects[row] for row in indices),
        gold=None if predictions.gold is None else predictions.gold[rows],
        scores=None if predictions.scores is None else predictions.scores[rows],
        missing=None if predictions.missing is None else predictions.missing[rows],
        gold_tags=tuple(predictions.gold_tags[row] for row in indices) if predictions.gold_tags else (),
        predicted_tags=tuple(predictions.predicted_tags[row] for row in indices) if predictions.predicted_tags else (),
        word_ends=tuple(predictions.word_ends[row] for row in indices) if predictions.word_ends else (),
    )


def _constant(predictions: Predictions) -> Predictions:
    """The same answer for every example."""
    if predictions.scores is None:
        return replace(predictions, predicted_tags=tuple(("O",) * len(tags) for tags in predictions.gold_tags))
    return replace(predictions, scores=np.full_like(predictions.scores, 1 / len(predictions.labels)))


def _answered(predictions: Predictions, by: Literal[0, 1] | None) -> Predictions:
    """With certainty the gold (0) or something else (1) for every example; None leaves the answers as they are."""
    if by is None:
        return predictions
    if predictions.gold is None:
        other = {"O": "B-drug", "B-drug": "B-problem", "B-problem": "B-drug", "I-problem": "O"}
        wrong = tuple(tuple(other[tag] for tag in tags) for tags in predictions.gold_tags)
        return replace(predictions, predicted_tags=wrong if by else predictions.gold_tags)
    if predictions.kind == "multilabel":
        return replace(predictions, scores=np.abs(predictions.gold - by).astype(np.float64))
    return replace(
        predictions, scores=np.eye(len(predictions.labels))[(predictions.gold + by) % len(predictions.labels)]
    )
