"""Thresholds maximise F1, the temperature undoes over-confidence, and both fall back where there is nothing to fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.metrics.thresholds import (
    apply_temperature,
    choose_thresholds,
    metrics_for,
    temperature,
    with_thresholds,
)
from clinpeft.spec import Kind


def test_the_threshold_lies_halfway_between_two_scores(binary: Any) -> None:
    predictions = binary([1, 1, 0, 0], [0.4, 0.3, 0.2, 0.1])

    assert choose_thresholds(predictions) == {"yes": pytest.approx(0.25)}


def test_no_other_threshold_gives_a_higher_f1(make: Any, value: Any) -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        predictions = make(generator, n=15)
        if len(set(predictions.gold)) < 2:
            continue
        chosen = value("f1", with_thresholds(predictions, choose_thresholds(predictions)))
        positive = predictions.scores[:, 1]
        best = max(f1_score(predictions.gold, positive >= cut, zero_division=0) for cut in positive)
        assert chosen == pytest.approx(best, abs=1e-12)


def test_of_equally_good_thresholds_the_higher_is_taken(binary: Any) -> None:
    # From 0.9 on: 1 of 1 predicted, 1 of 2 found. From 0.1 on: 2 of 4 and 2 of 2. F1 is 2/3 both times.
    assert choose_thresholds(binary([1, 0, 0, 1], [0.9, 0.5, 0.4, 0.1])) == {"yes": pytest.approx(0.7)}


def test_equal_scores_are_never_parted(binary: Any) -> None:
    assert choose_thresholds(binary([1, 0, 1, 0], [0.6, 0.6, 0.6, 0.2])) == {"yes": pytest.approx(0.4)}


def test_a_threshold_between_neighbouring_floats_still_parts_them(binary: Any) -> None:
    above = np.nextafter(0.5, 1)
    predictions = binary([1, 0], [above, 0.5])

    assert choose_thresholds(predictions) == {"yes": above}


def test_every_label_gets_its_own_threshold_from_annotated_examples(make: Any) -> None:
    predictions = replace(
        make(np.random.default_rng(0), "multilabel", n=4, k=2),
        gold=np.array([[1, 1], [1, 0], [0, 0], [0, 1]]),
        scores=np.array([[0.8, 0.9], [0.6, 0.3], [0.4, 0.2], [0.2, 0.1]]),
        missing=np.array([[False, False], [False, False], [False, False], [False, True]]),
    )

    assert choose_thresholds(predictions) == {"label0": pytest.approx(0.5), "label1": pytest.approx(0.6)}


def test_a_label_without_a_positive_example_keeps_one_half(make: Any, binary: Any) -> None:
    predictions = make(np.random.default_rng(0), "multilabel", n=10, k=2)
    gold = np.stack([np.zeros(10, dtype=np.int64), np.ones(10, dtype=np.int64)], axis=1)

    assert choose_thresholds(replace(predictions, gold=gold))["label0"] == 0.5
    assert choose_thresholds(binary([0, 0], [0.1, 0.3])) == {"yes": 0.5}


def test_scores_that_say_nothing_keep_one_half(binary: Any) -> None:
    assert choose_thresholds(binary([0, 1], [0.3, 0.3])) == {"yes": 0.5}


@pytest.mark.parametrize("k", [3, 5])
def test_several_classes_have_no_threshold(k: int, make: Any) -> None:
    predictions = make(np.random.default_rng(0), k=k)

    assert choose_thresholds(predictions) == {}
    assert with_thresholds(predictions, {}).thresholds is None


def test_nothing_to_choose_on_gives_no_thresholds(binary: Any, make_entities: Any) -> None:
    assert choose_thresholds(binary([], [])) == {}
    assert choose_thresholds(make_entities(np.random.default_rng(0))) == {}
    assert choose_thresholds(replace(binary([0, 1], [0.1, 0.9]), scores=np.full((2, 2), np.nan))) == {}


def calibrated(kind: Kind, k: int, n: int = 4000) -> Predictions:
    """Labels drawn from the very probabilities that are the scores."""
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=2, size=(n, k))
    labels, subjects = tuple(f"label{index}" for index in range(k)), ("s",) * n
    if kind == "multilabel":
        scores = 1 / (1 + np.exp(-logits))
        gold = (generator.random((n, k)) < scores).astype(np.int64)
        return Predictions(kind, labels, subjects, gold=gold, scores=scores)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gold = (generator.random((n, 1)) > scores.cumsum(axis=1)).sum(axis=1)
    return Predictions(kind, labels, subjects, gold=gold, scores=scores)


CASES: list[tuple[Kind, int]] = [("classification", 2), ("pairs", 3), ("relations", 5), ("multilabel", 4)]


@pytest.mark.parametrize(("kind", "k"), CASES)
def test_calibrated_scores_keep_their_temperature(kind: Kind, k: int) -> None:
    assert temperature(calibrated(kind, k)) == pytest.approx(1, abs=0.07)


@pytest.mark.parametrize(("kind", "k"), CASES)
def test_doubled_logits_are_halved_again(kind: Kind, k: int) -> None:
    predictions = calibrated(kind, k)
    too_sure = apply_temperature(predictions.scores, 0.5, kind)
    found = temperature(replace(predictions, scores=too_sure))

    assert found == pytest.approx(2 * temperature(predictions), rel=1e-3)
    assert apply_temperature(too_sure, 2, kind) == pytest.approx(predictions.scores, abs=1e-9)


def test_no_other_temperature_gives_a_lower_log_loss() -> None:
    predictions = replace(
        calibrated("pairs", 3, n=200), scores=apply_temperature(calibrated("pairs", 3, 200).scores, 0.3, "pairs")
    )
    best = temperature(predictions)

    def loss(value: float) -> float:
        return float(
            log_loss(predictions.gold, apply_temperature(predictions.scores, value, "pairs"), labels=[0, 1, 2])
        )

    assert all(loss(best) <= loss(best * factor) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2))


def test_cells_that_nobody_annotated_do_not_move_the_temperature() -> None:
    predictions = calibrated("multilabel", 3)
    missing = np.random.default_rng(1).random((4000, 3)) < 0.3
    garbled = replace(predictions, gold=np.where(missing, 1 - predictions.gold, predictions.gold), missing=missing)

    assert temperature(garbled) == temperature(replace(predictions, missing=missing))


def test_certain_and_wrong_scores_give_a_finite_temperature(binary: Any) -> None:
    assert temperature(binary([0, 1], [1.0, 0.0])) == pytest.approx(20, rel=1e-3)
    assert temperature(binary([0, 1], [0.0, 1.0])) == pytest.approx(0.05, rel=0.05)


def test_nothing_to_fit_gives_temperature_one(binary: Any, make: Any, make_entities: Any) -> None:
    assert temperature(binary([], [])) == 1
    assert temperature(make_entities(np.random.default_rng(0))) == 1
    assert temperature(make(np.random.default_rng(0), k=1)) == 1


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("num_labels", [2, 4])
def test_reported_metrics_exist_and_are_defined_for_their_kind(kind: Kind, num_labels: int) -> None:
    names = metrics_for(kind, num_labels)

    assert len(names) == len(set(names)) >= 2
    assert all(kind in METRICS.get(name).kinds for name in names)


def test_modules_beside_the_metrics_are_not_listed_as_metrics() -> None:
    names = METRICS.names()

    assert "auroc" in names
    assert not {"base", "intervals", "thresholds"} & set(names)
    assert all(METRICS.get(name).title for name in names)
