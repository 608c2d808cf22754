"""One threshold: who is flagged, how often rightly, and what that comes to elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clinpeft.metrics.base import Predictions
from clinpeft.metrics.operating_point import at_threshold, operating_point, ppv_at, threshold_for_alert_rate
from clinpeft.metrics.outcomes import Outcome, masked, outcomes
from clinpeft.metrics.thresholds import choose_thresholds, with_thresholds

# 20 with the label, 30 without: 16 and 6 of them at 0.9, the others at 0.2.
COUNTS = ((16, 0.9, True), (6, 0.9, False), (4, 0.2, True), (24, 0.2, False))


@pytest.fixture
def fifty() -> Outcome:
    scores = np.concatenate([np.full(number, score) for number, score, _ in COUNTS])
    happened = np.concatenate([np.full(number, label) for number, _, label in COUNTS])
    return Outcome("yes", tuple(f"s{i:02}" for i in range(50)), scores, happened, scores >= 0.5, 0.5)


def test_the_shares_at_a_threshold_are_those_counted_by_hand(fifty: Outcome) -> None:
    point = operating_point(fifty, num_resamples=200)

    values = {name: getattr(point, name).value for name in ("prevalence", "alert_rate", "sensitivity", "specificity")}
    assert values == {"prevalence": 20 / 50, "alert_rate": 22 / 50, "sensitivity": 16 / 20, "specificity": 24 / 30}
    assert (point.ppv.value, point.npv.value) == (16 / 22, 24 / 28)
    assert point.sensitivity.low < 0.8 < point.sensitivity.high


def test_another_prevalence_makes_another_ppv(fifty: Outcome) -> None:
    point = operating_point(fifty, num_resamples=20)

    assert ppv_at(point, 0.4) == pytest.approx(16 / 22)
    # Of 1,000 with 1 %: 8 of 10 found, 198 of 990 flagged for nothing.
    assert ppv_at(point, 0.01) == pytest.approx(8 / (8 + 198))


def test_nobody_flagged_leaves_the_ppv_null_with_a_reason(fifty: Outcome) -> None:
    point = at_threshold(fifty, 0.95, num_resamples=20)

    assert (point.ppv.value, point.ppv.reason, point.sensitivity.value) == (None, "nobody is flagged", 0)
    assert ppv_at(point, 0.1) is None


def test_too_few_cases_are_not_described(fifty: Outcome) -> None:
    few = Outcome("yes", fifty.subjects, fifty.probability, np.arange(50) < 10, fifty.decided, 0.5)

    assert operating_point(few) is None
    assert at_threshold(few, 0.5) is None


@pytest.mark.parametrize(("rate", "flagged"), [(0.0, 0), (0.1, 1), (0.2, 2), (0.3, 2), (0.4, 4), (0.9, 9), (1.0, 10)])
def test_an_alert_rate_is_kept_and_equal_scores_are_not_parted(fifty: Outcome, rate: float, flagged: int) -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.8, 0.85, 0.9])
    ten = Outcome("yes", fifty.subjects[:10], scores, fifty.happened[:10], scores >= 0.5, 0.5)

    assert (scores >= threshold_for_alert_rate(ten, rate)).sum() == flagged


def test_an_alert_rate_outside_zero_to_one_is_refused(fifty: Outcome) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        threshold_for_alert_rate(fifty, 10)


def test_the_threshold_of_validation_is_used_on_test_as_it_is(make: Any) -> None:
    validation, test = (make(np.random.default_rng(seed), n=200) for seed in (0, 1))
    chosen = choose_thresholds(validation)
    (outcome,) = outcomes(with_thresholds(test, chosen))

    assert outcome.threshold == chosen["label1"] != choose_thresholds(test)["label1"]
    assert outcome.decided.sum() == (test.scores[:, 1] >= chosen["label1"]).sum()


def test_each_class_or_label_is_a_question_of_its_own(make: Any) -> None:
    generator = np.random.default_rng(0)
    several, labels = make(generator, n=40, k=4), make(generator, "multilabel", n=40, k=3, missing=0.3)

    of_classes, of_labels = outcomes(several), outcomes(labels)

    assert [outcome.label for outcome in of_classes] == list(several.labels)
    assert sum(outcome.decided.sum() for outcome in of_classes) == 40
    assert [outcome.threshold for outcome in of_classes] == [None] * 4
    assert [len(outcome) for outcome in of_labels] == (~labels.missing).sum(axis=0).tolist()
    assert [outcome.threshold for outcome in of_labels] == [0.5] * 3


def test_no_relation_is_no_question_and_entities_have_none(make: Any, make_entities: Any) -> None:
    relations = make(np.random.default_rng(0), "relations", n=30, k=3)
    named = Predictions(**{**vars(relations), "labels": ("none", "treats", "causes")})

    assert [outcome.label for outcome in outcomes(named)] == ["treats", "causes"]
    assert outcomes(make_entities(np.random.default_rng(0))) == []


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([20, 30], [20, 30]),
        ([5, 30], [None, None]),
        ([5, 6, 30], [None, None, 30]),
        ([1, 1, 30, 40], [None, None, None, 40]),
        ([5, 30, 12], [None, 30, None]),
        ([0, 30], [0, 30]),
        ([10], [None]),
    ],
)
def test_small_counts_are_hidden_and_so_is_what_would_give_them_away(
    counts: list[int], shown: list[int | None]
) -> None:
    assert masked(counts) == shown
