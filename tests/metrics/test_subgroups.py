"""Subgroups: values and differences by hand, small groups hidden, many looks paid for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.metrics.subgroups import Subgroup, adjusted, grouped, subgroups, taken

ACCURACY = METRICS.get("accuracy")()


@pytest.fixture
def hundred(binary: Any) -> Predictions:
    """60 in ward a, all right; 40 in ward b, half of them wrong; every other one has the outcome."""
    gold = [number % 2 for number in range(100)]
    right = [number < 60 or number % 4 < 2 for number in range(100)]
    return binary(gold, [0.9 if label == is_right else 0.1 for label, is_right in zip(gold, right, strict=True)])


WARDS = ["a"] * 60 + ["b"] * 40


def of(found: list[Subgroup], value: str) -> Subgroup:
    return next(group for group in found if group.value == value)


def test_a_group_has_its_own_score_and_its_difference_to_the_rest(hundred: Predictions) -> None:
    found = subgroups(ACCURACY, hundred, {"ward": WARDS}, num_resamples=300)
    a, b = of(found, "a"), of(found, "b")

    assert (a.score.value, b.score.value) == (1.0, 0.5)
    assert (a.difference.value, b.difference.value) == (0.5, -0.5)
    assert b.difference.high < 0
    assert (a.num_subjects, a.num_examples, a.num_positives) == (60, 60, 30)
    assert a.p < 0.05
    assert a.q >= a.p


def test_the_interval_is_over_whole_patients(hundred: Predictions) -> None:
    pairs = replace(hundred, subjects=tuple(f"s{number // 2}" for number in range(100)))
    (a, _) = subgroups(ACCURACY, pairs, {"ward": WARDS}, num_resamples=50)

    assert a.num_subjects == 30
    assert a.num_examples == 60


def test_groups_that_are_alike_are_seldom_called_different() -> None:
    flagged = 0
    for seed in range(30):
        generator = np.random.default_rng(seed)
        gold = generator.integers(0, 2, 200)
        positive = np.where(generator.random(200) < 0.8, gold, 1 - gold) * 0.8 + 0.1
        scores = np.stack([1 - positive, positive], axis=1)
        subjects = tuple(str(n) for n in range(200))
        predictions = Predictions("classification", ("no", "yes"), subjects, gold=gold, scores=scores, positive=1)
        sites = generator.choice(["a", "b", "c", "d"], 200).tolist()
        flagged += any(
            (group.q or 1) < 0.05 for group in subgroups(ACCURACY, predictions, {"site": sites}, num_resamples=300)
        )
    assert flagged <= 5


def test_fewer_than_eleven_patients_are_hidden_and_the_next_smallest_with_them(hundred: Predictions) -> None:
    found = subgroups(ACCURACY, hundred, {"ward": ["a"] * 60 + ["b"] * 30 + ["c"] * 10}, num_resamples=20)

    assert (of(found, "c").num_subjects, of(found, "c").score.value) == (None, None)
    assert of(found, "c").score.reason == "fewer than 11 subjects"
    assert of(found, "b").num_subjects is None
    assert of(found, "b").score.reason == "hidden, or the total would give a smaller group away"
    assert of(found, "a").num_subjects == 60


def test_few_positives_are_hidden_in_a_group_that_is_shown(binary: Any) -> None:
    gold = [1] * 30 + [0] * 30 + [1] * 3 + [0] * 37 + [1] * 15 + [0] * 15
    predictions = binary(gold, [0.7] * 65 + [0.2] * 65)
    found = subgroups(ACCURACY, predictions, {"ward": ["a"] * 60 + ["b"] * 40 + ["c"] * 30}, num_resamples=20)

    assert of(found, "b").num_subjects == 40
    # Three are too few; of the others the smaller number would give them away.
    assert [of(found, name).num_positives for name in "abc"] == [30, None, None]


def test_few_positives_of_two_groups_together_are_hidden_with_a_thirds(binary: Any) -> None:
    gold = [1] * 30 + [0] * 30 + [1] * 3 + [0] * 37 + [1] * 2 + [0] * 38 + [1] * 15 + [0] * 15
    predictions = binary(gold, [0.7] * 85 + [0.2] * 85)
    wards = ["a"] * 60 + ["b"] * 40 + ["c"] * 40 + ["d"] * 30
    found = subgroups(ACCURACY, predictions, {"ward": wards}, num_resamples=20)

    assert [of(found, name).num_positives for name in "abcd"] == [30, None, None, None]


def test_a_gap_in_the_column_is_a_group_and_comes_last(hundred: Predictions) -> None:
    found = subgroups(ACCURACY, hundred, {"sex": ["m", "f", None, ""] * 25}, num_resamples=20)

    assert [group.value for group in found] == ["f", "m", "not recorded"]
    assert found[-1].num_subjects == 50


def test_ages_are_put_into_bands_in_their_order(hundred: Predictions) -> None:
    found = subgroups(ACCURACY, hundred, {"age": [str(number) for number in range(100)]}, num_resamples=20)

    assert [group.value for group in found] == ["0-17", "18-44", "45-64", "65-79", "80+"]
    assert grouped("stage", ["1", "2"]) == ["1", "2"]


@pytest.mark.parametrize("values", [["a"] * 100, [str(number) for number in range(100)]])
def test_a_column_with_one_value_or_very_many_has_no_groups(hundred: Predictions, values: list[str]) -> None:
    assert subgroups(ACCURACY, hundred, {"column": values}, num_resamples=20) == []


def test_a_group_without_the_outcome_is_null_with_a_reason(binary: Any) -> None:
    predictions = binary([0] * 30 + [0, 1] * 20, [0.3] * 30 + [0.2, 0.8] * 20)
    auroc = METRICS.get("auroc")()
    found = subgroups(auroc, predictions, {"ward": ["a"] * 30 + ["b"] * 40}, num_resamples=50)

    assert (of(found, "a").score.value, of(found, "a").score.reason) == (None, "no positive example")
    assert of(found, "b").difference.reason == "the rest has none: no positive example"
    assert (of(found, "a").p, of(found, "a").q) == (None, None)


def test_entities_and_labels_are_parted_like_the_rest(make: Any, make_entities: Any) -> None:
    generator = np.random.default_rng(0)
    is_in = np.arange(40) % 3 == 0
    tagged, labelled = make_entities(generator, n=40), make(generator, "multilabel", n=40, k=3, missing=0.2)

    assert taken(tagged, is_in).gold_tags == tuple(
        tags for tags, keep in zip(tagged.gold_tags, is_in, strict=True) if keep
    )
    assert taken(tagged, is_in).labels == tagged.labels
    assert (taken(labelled, is_in).missing == labelled.missing[is_in]).all()


def test_adjusted_p_equal_scipy() -> None:
    p = np.random.default_rng(0).random(9).tolist()

    assert adjusted(p) == pytest.approx(false_discovery_control(p).tolist(), abs=1e-15)
    assert adjusted([]) == []
