"""AUROC and AUPRC: equal to sklearn, ties and weights included, and undefined where they mean nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from clinpeft.metrics.base import METRICS


def test_auroc_counts_pairs_in_the_right_order_and_a_tie_as_half(binary: Any, value: Any) -> None:
    # Pairs (positive, negative): 0.9 beats 0.5 and 0.1; 0.5 ties with 0.5 and beats 0.1: 3.5 of 4.
    assert value("auroc", binary([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1])) == 3.5 / 4


def test_auprc_averages_the_precision_at_each_positive(binary: Any, value: Any) -> None:
    # Positives at ranks 1 and 3: precision 1/1 and 2/3.
    assert value("auprc", binary([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])) == pytest.approx((1 + 2 / 3) / 2, abs=1e-15)


@pytest.mark.parametrize("num_cases", [100, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "reference"), [("auroc", roc_auc_score), ("auprc", average_precision_score)])
def test_binary_values_equal_sklearn(num_cases: int, name: str, reference: Any, make: Any, value: Any) -> None:
    generator = np.random.default_rng(0)
    compared = 0
    for _ in range(num_cases):
        predictions = make(generator, n=int(generator.integers(2, 40)))
        if len(set(predictions.gold)) == 2:
            expected = reference(predictions.gold, predictions.scores[:, 1])
            assert value(name, predictions) == pytest.approx(expected, abs=1e-12)
            compared += 1
    assert compared > num_cases * 0.8


@pytest.mark.parametrize("name", ["auroc", "auprc"])
def test_weights_equal_sklearns_sample_weights(name: str, make: Any) -> None:
    reference = {"auroc": roc_auc_score, "auprc": average_precision_score}[name]
    generator = np.random.default_rng(1)
    for _ in range(20):
        predictions = make(generator, n=40)
        weights = generator.poisson(1, size=(5, 40)).astype(float)
        values = METRICS.get(name)().values(predictions, weights)
        for row, got in zip(weights, values, strict=True):
            if len(set(predictions.gold[row > 0])) == 2:
                kept = row > 0
                expected = reference(predictions.gold[kept], predictions.scores[kept, 1], sample_weight=row[kept])
                assert got == pytest.approx(expected, abs=1e-12)
            else:
                assert np.isnan(got)


def test_several_classes_average_each_against_the_rest(make: Any, value: Any) -> None:
    generator = np.random.default_rng(2)
    for _ in range(30):
        predictions = make(generator, n=60, k=4)
        one_hot = np.eye(4)[predictions.gold]
        expected = roc_auc_score(predictions.gold, predictions.scores, multi_class="ovr", average="macro")
        assert value("auroc", predictions) == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(one_hot, predictions.scores, average="macro")
        assert value("auprc", predictions) == pytest.approx(expected, abs=1e-12)


def test_pairs_of_classes_are_averaged_as_sklearn_does(make: Any, value: Any) -> None:
    generator = np.random.default_rng(6)
    for _ in range(30):
        predictions = make(generator, n=60, k=4)
        expected = roc_auc_score(predictions.gold, predictions.scores, multi_class="ovo", average="macro")
        assert value("auroc-ovo", predictions) == pytest.approx(expected, abs=1e-12)
    binary = make(generator, n=60, k=2)
    assert value("auroc-ovo", binary) == value("auroc", binary)


def test_pairs_with_a_class_that_never_occurs_are_left_out_and_said_so(make: Any, value: Any) -> None:
    predictions = make(np.random.default_rng(7), n=40, k=3)
    only_two = replace(predictions, gold=predictions.gold % 2)
    rows = [roc_auc_score(only_two.gold == label, only_two.scores[:, label]) for label in (0, 1)]

    assert value("auroc-ovo", only_two) == pytest.approx(np.mean(rows), abs=1e-12)
    remark = "over 2 of 6 ordered pairs of classes; the others lack examples"
    assert METRICS.get("auroc-ovo")().remark(only_two) == remark
    assert METRICS.get("auroc-ovo")().remark(predictions) is None


@pytest.mark.parametrize(("name", "reference"), [("auroc", roc_auc_score), ("auprc", average_precision_score)])
def test_missing_cells_are_left_out_label_by_label(name: str, reference: Any, make: Any, value: Any) -> None:
    generator = np.random.default_rng(3)
    for _ in range(30):
        predictions = make(generator, "multilabel", n=30, k=5, missing=0.3)
        expected = []
        for label in range(5):
            there = ~predictions.missing[:, label]
            gold = predictions.gold[there, label]
            if len(set(gold)) == 2:
                expected.append(reference(gold, predictions.scores[there, label]))
        assert value(name, predictions) == pytest.approx(np.mean(expected), abs=1e-12)


@pytest.mark.parametrize("name", ["auroc", "auprc", "brier", "f1-micro", "f1-macro"])
def test_a_missing_label_is_not_a_negative_one(name: str, make: Any, value: Any) -> None:
    predictions = make(np.random.default_rng(4), "multilabel", n=40, k=3)
    hidden = np.zeros((40, 3), dtype=bool)
    hidden[:20] = predictions.gold[:20] == 1
    as_negative = replace(predictions, gold=np.where(hidden, 0, predictions.gold))

    assert value(name, replace(predictions, missing=hidden)) != value(name, as_negative)


@pytest.mark.parametrize("name", ["auroc", "auprc"])
def test_a_class_that_never_occurs_is_left_out_of_the_average_and_said_so(name: str, make: Any, value: Any) -> None:
    predictions = make(np.random.default_rng(5), n=40, k=3)
    only_two = replace(predictions, gold=predictions.gold % 2)
    of_class = [value(name, replace(only_two, positive=label)) for label in (0, 1)]

    assert value(name, only_two) == pytest.approx(np.mean(of_class), abs=1e-15)
    assert METRICS.get(name)().remark(only_two) == "over 2 of 3 labels; the others have one class only"
    assert METRICS.get(name)().remark(predictions) is None


@pytest.mark.parametrize("name", ["auroc", "auprc"])
@pytest.mark.parametrize(("gold", "reason"), [([0, 0, 0], "no positive example"), ([1, 1, 1], "no negative example")])
def test_one_class_only_gives_a_reason_and_nan_not_a_number(
    name: str, gold: list[int], reason: str, binary: Any
) -> None:
    predictions = binary(gold, [0.2, 0.5, 0.7])

    assert METRICS.get(name)().undefined(predictions) == reason
    assert np.isnan(METRICS.get(name)().values(predictions, np.ones((1, 3)))).all()


def test_labels_with_one_class_each_give_a_reason(make: Any) -> None:
    predictions = make(np.random.default_rng(6), "multilabel", n=10, k=3)
    empty = replace(predictions, gold=np.zeros((10, 3), dtype=np.int64))

    assert METRICS.get("auroc")().undefined(empty) == "no label has both a positive and a negative example"


def test_values_do_not_depend_on_how_many_weightings_are_asked_for_at_once(make: Any) -> None:
    predictions = make(np.random.default_rng(7), n=3000)
    weights = np.random.default_rng(8).poisson(1, size=(200, 3000)).astype(float)

    for name in ("auroc", "auprc"):
        together = METRICS.get(name)().values(predictions, weights)
        alone = [METRICS.get(name)().values(predictions, row[None])[0] for row in weights[::50]]
        assert together[::50] == pytest.approx(alone, abs=1e-12)
