"""Net benefit against dcurves and by hand, and the precision-recall curve against scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from clinpeft.metrics.net_benefit import decision_curve
from clinpeft.metrics.outcomes import Outcome
from clinpeft.metrics.precision_recall import precision_recall


@pytest.fixture
def sixty() -> Outcome:
    generator = np.random.default_rng(5)
    probability = generator.random(60).round(2)
    happened = generator.random(60) < probability
    return Outcome("yes", tuple(f"s{i:02}" for i in range(60)), probability, happened, probability >= 0.5, 0.5)


def test_net_benefit_equals_dcurves(sixty: Outcome) -> None:
    curve = decision_curve(sixty, (0.05, 0.1, 0.2, 0.35, 0.5), num_resamples=100)

    # dcurves 1.1.7: dca(outcome="y", modelnames=["m"], thresholds=[.05, .1, .2, .35, .5]) on these very examples.
    of_model = [0.4587719298245614, 0.4425925925925926, 0.39583333333333337, 0.291025641025641, 0.19999999999999998]
    of_all = [0.456140350877193, 0.42592592592592593, 0.3541666666666667, 0.20512820512820518, -0.03333333333333327]
    assert curve.model == pytest.approx(of_model, abs=1e-9)
    assert curve.treat_all == pytest.approx(of_all, abs=1e-9)
    assert all(low <= value <= high for low, value, high in zip(curve.low, curve.model, curve.high, strict=True))


def test_the_alert_rate_is_the_share_at_or_above_the_threshold(sixty: Outcome) -> None:
    curve = decision_curve(sixty, (0.2, 0.5), num_resamples=20)

    assert curve.alert_rate == ((sixty.probability >= 0.2).mean(), (sixty.probability >= 0.5).mean())


def test_a_model_that_says_the_same_of_everybody_is_never_better_than_treating_all_or_none(sixty: Outcome) -> None:
    curve = decision_curve(replace(sixty, probability=np.full(60, 0.3)), num_resamples=20)

    assert curve.useful is None


def test_the_useful_stretch_is_where_the_model_beats_both(sixty: Outcome) -> None:
    first, last = decision_curve(sixty, num_resamples=20).useful
    curve = decision_curve(sixty, num_resamples=20)
    inside = [
        mine > max(0, everybody)
        for cut, mine, everybody in zip(curve.thresholds, curve.model, curve.treat_all, strict=True)
        if first <= cut <= last
    ]

    assert all(inside)
    assert last == 0.5


def test_precision_at_a_recall_is_that_of_the_highest_threshold_that_reaches_it(sixty: Outcome) -> None:
    curve = precision_recall(sixty, num_resamples=50)
    precision, recall, _ = precision_recall_curve(sixty.happened, sixty.probability)
    # sklearn's points run from low thresholds to high ones.
    wanted = [precision[np.flatnonzero(recall >= level - 1e-12)[-1]] for level in curve.recall]

    assert curve.precision == pytest.approx(wanted, abs=1e-12)
    assert curve.prevalence == sixty.happened.mean()
    assert curve.precision[-1] >= curve.prevalence
    assert (
        np.mean([low <= p <= high for p, low, high in zip(curve.precision, curve.low, curve.high, strict=True)]) > 0.8
    )


def test_too_few_cases_have_neither_curve(sixty: Outcome) -> None:
    few = replace(sixty, happened=np.arange(60) < 10)

    assert decision_curve(few) is None
    assert precision_recall(few) is None
