"""Accuracy, the F1 family, relation F1 and Brier: equal to sklearn, thresholds obeyed, undefined where empty."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, log_loss

from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.metrics.thresholds import with_thresholds

CASES = pytest.mark.parametrize("num_cases", [50, pytest.param(1000, marks=pytest.mark.slow)])
AVERAGES = ("macro", "micro", "weighted")


@CASES
@pytest.mark.parametrize("k", [2, 3, 7])
def test_values_for_classes_equal_sklearn(num_cases: int, k: int, make: Any, value: Any) -> None:
    generator = np.random.default_rng(k)
    for _ in range(num_cases):
        predictions = make(generator, n=int(generator.integers(1, 40)), k=k)
        predicted = predictions.scores.argmax(axis=1)
        assert value("accuracy", predictions) == pytest.approx(accuracy_score(predictions.gold, predicted), abs=1e-12)
        for average in AVERAGES:
            expected = f1_score(predictions.gold, predicted, average=average)
            assert value(f"f1-{average}", predictions) == pytest.approx(expected, abs=1e-12)


@CASES
def test_values_for_several_labels_equal_sklearn(num_cases: int, make: Any, value: Any) -> None:
    generator = np.random.default_rng(10)
    for _ in range(num_cases):
        predictions = make(generator, "multilabel", n=30, k=4)
        predicted = (predictions.scores >= 0.5).astype(int)
        if not (predictions.gold | predicted).any(axis=0).all():
            continue
        for average in AVERAGES:
            expected = f1_score(predictions.gold, predicted, average=average)
            assert value(f"f1-{average}", predictions) == pytest.approx(expected, abs=1e-12)


@CASES
def test_f1_of_the_positive_class_equals_sklearn(num_cases: int, make: Any, value: Any) -> None:
    generator = np.random.default_rng(11)
    for _ in range(num_cases):
        predictions = make(generator, n=20)
        predicted = predictions.scores.argmax(axis=1)
        if predictions.gold.any() or predicted.any():
            expected = f1_score(predictions.gold, predicted)
            assert value("f1", predictions) == pytest.approx(expected, abs=1e-12)


@CASES
def test_brier_of_two_classes_equals_sklearn_whichever_is_positive(num_cases: int, make: Any, value: Any) -> None:
    generator = np.random.default_rng(12)
    for _ in range(num_cases):
        predictions = make(generator, n=20)
        expected = brier_score_loss(predictions.gold, predictions.scores[:, 1], pos_label=1, labels=[0, 1])
        assert value("brier", predictions) == pytest.approx(expected, abs=1e-12)
        assert value("brier", replace(predictions, positive=0)) == pytest.approx(expected, abs=1e-12)


def test_brier_of_more_classes_is_summed_over_them(make: Any, value: Any) -> None:
    predictions = replace(make(np.random.default_rng(0), n=1, k=3), gold=np.array([0]))

    assert value("brier", replace(predictions, scores=np.array([[0.5, 0.3, 0.2]]))) == pytest.approx(0.25 + 0.09 + 0.04)
    assert value("brier", replace(predictions, scores=np.array([[0.0, 1.0, 0.0]]))) == 2.0


@pytest.mark.parametrize("k", [2, 4])
def test_log_loss_equals_sklearn(k: int, make: Any, value: Any) -> None:
    for seed in range(100):
        predictions = make(np.random.default_rng(seed), n=25, k=k)
        expected = log_loss(predictions.gold, predictions.scores, labels=list(range(k)))
        assert value("log-loss", predictions) == pytest.approx(expected, abs=1e-12)


def test_log_loss_of_labels_is_averaged_over_annotated_cells(make: Any, value: Any) -> None:
    predictions = make(np.random.default_rng(0), "multilabel", n=25, k=4, missing=0.3)
    of_gold = np.where(predictions.gold == 1, predictions.scores, 1 - predictions.scores)[~predictions.missing]

    assert value("log-loss", predictions) == pytest.approx(-np.log(of_gold).mean(), abs=1e-12)


def test_a_certain_and_wrong_answer_has_a_finite_log_loss(binary: Any, value: Any) -> None:
    assert value("log-loss", binary([1, 1], [0.0, 1.0])) == pytest.approx(-np.log(np.finfo(float).eps) / 2, abs=1e-9)


def test_brier_of_labels_is_averaged_over_annotated_cells(make: Any, value: Any) -> None:
    predictions = replace(
        make(np.random.default_rng(0), "multilabel", n=2, k=2),
        gold=np.array([[1, 0], [0, 1]]),
        scores=np.array([[0.9, 0.2], [0.4, 0.1]]),
        missing=np.array([[False, False], [False, True]]),
    )

    assert value("brier", predictions) == pytest.approx((0.01 + 0.04 + 0.16) / 3)


@CASES
@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_relation_values_equal_sklearn_over_the_labels_other_than_none(
    num_cases: int, average: str, make: Any, value: Any
) -> None:
    name = "relation-f1" if average == "micro" else f"f1-{average}"
    generator = np.random.default_rng(13)
    for _ in range(num_cases):
        predictions = replace(make(generator, "relations", n=60, k=4), labels=("treats", "none", "causes", "worsens"))
        predicted = predictions.scores.argmax(axis=1)
        expected = f1_score(predictions.gold, predicted, labels=[0, 2, 3], average=average)
        assert value(name, predictions) == pytest.approx(expected, abs=1e-12)


def test_a_relation_predicted_for_a_pair_without_one_costs_precision(value: Any) -> None:
    predictions = relations(gold=[1, 0, 0], predicted=[1, 1, 0])

    assert value("relation-f1", predictions) == pytest.approx(2 * 1 / (2 + 1))


@pytest.mark.parametrize("name", ["relation-f1", "f1-macro"])
def test_pairs_without_any_relation_leave_relation_f1_undefined(name: str) -> None:
    assert METRICS.get(name)().undefined(relations(gold=[0, 0], predicted=[0, 0])) is not None


def relations(gold: list[int], predicted: list[int]) -> Predictions:
    return Predictions(
        "relations",
        ("none", "treats"),
        tuple(str(index) for index in range(len(gold))),
        gold=np.array(gold),
        scores=np.eye(2)[predicted],
    )


def test_a_binary_task_is_decided_at_its_threshold(binary: Any, value: Any) -> None:
    predictions = binary([1, 1, 0, 0], [0.45, 0.3, 0.35, 0.1])

    assert value("accuracy", predictions) == 0.5
    assert value("accuracy", with_thresholds(predictions, {"yes": 0.45})) == 0.75
    assert value("accuracy", with_thresholds(predictions, {"yes": 0.2})) == 0.75
    assert value("f1", with_thresholds(predictions, {"yes": 0.2})) == pytest.approx(2 * 2 / (3 + 2))
    assert value("f1-macro", with_thresholds(predictions, {"yes": 0.2})) == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_binary_task_whose_positive_class_comes_first_is_decided_by_it(binary: Any, value: Any) -> None:
    predictions = replace(binary([1, 1, 0, 0], [0.45, 0.3, 0.35, 0.1]), positive=0)

    assert value("accuracy", with_thresholds(predictions, {"no": 0.5})) == 0.5
    assert value("accuracy", with_thresholds(predictions, {"no": 0.6})) == 0.75


def test_labels_are_decided_each_at_its_own_threshold(make: Any, value: Any) -> None:
    predictions = make(np.random.default_rng(14), "multilabel", n=50, k=3)
    decided = with_thresholds(predictions, {"label0": 0.2, "label2": 0.9})
    predicted = (predictions.scores >= [0.2, 0.5, 0.9]).astype(int)

    assert decided.thresholds.tolist() == [0.2, 0.5, 0.9]
    assert value("f1-micro", decided) == pytest.approx(
        f1_score(predictions.gold, predicted, average="micro"), abs=1e-12
    )


@pytest.mark.parametrize("average", AVERAGES)
def test_missing_cells_count_as_neither_right_nor_wrong(average: str, make: Any, value: Any) -> None:
    predictions = make(np.random.default_rng(15), "multilabel", n=50, k=3, missing=0.4)
    gold = np.where(predictions.missing, 0, predictions.gold)
    predicted = np.where(predictions.missing, False, predictions.scores >= 0.5).astype(int)

    assert value(f"f1-{average}", predictions) == pytest.approx(f1_score(gold, predicted, average=average), abs=1e-12)


def test_macro_f1_leaves_out_a_class_that_is_neither_present_nor_predicted(make: Any, value: Any) -> None:
    predictions = replace(make(np.random.default_rng(0), n=3, k=3), gold=np.array([0, 1, 1]))
    right = replace(predictions, scores=np.eye(3)[[0, 1, 1]])

    assert value("f1-macro", right) == 1.0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("f1-macro", "no label is present or predicted"),
        ("f1-micro", "no label is present or predicted"),
        ("f1-weighted", "no gold label is present"),
    ],
)
def test_no_label_at_all_leaves_f1_undefined(name: str, reason: str, make: Any) -> None:
    predictions = make(np.random.default_rng(0), "multilabel", n=5, k=2)
    empty = replace(predictions, gold=np.zeros((5, 2), dtype=np.int64), scores=np.zeros((5, 2)))

    assert METRICS.get(name)().undefined(empty) == reason


def test_f1_of_the_positive_class_is_undefined_when_it_is_nowhere(binary: Any) -> None:
    reason = METRICS.get("f1")().undefined(binary([0, 0], [0.1, 0.2]))

    assert reason == "the positive class is neither present nor predicted"


def test_f1_of_the_positive_class_needs_one(make: Any) -> None:
    predictions = make(np.random.default_rng(0), k=3)

    assert METRICS.get("f1")().undefined(predictions) == "needs two classes, one of them positive"
