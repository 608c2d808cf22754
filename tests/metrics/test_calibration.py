"""Calibration: what right and wrong probabilities look like, against references, and what chance makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from clinpeft.metrics.calibration import Calibration, calibration, logits
from clinpeft.metrics.outcomes import Outcome

Answered = Callable[..., Outcome]


@pytest.fixture
def answered() -> Answered:
    """n patients whose probabilities are right, or too extreme by `factor` or too high by `shift` on the logit."""

    def made(n: int, seed: int, factor: float = 1.0, shift: float = 0.0, notes: int = 1) -> Outcome:
        generator = np.random.default_rng(seed)
        logit = generator.normal(-0.5, 1.3, size=n)
        happened = generator.random(n) < 1 / (1 + np.exp(-logit))
        probability = 1 / (1 + np.exp(-(factor * logit + shift)))
        subjects = tuple(f"p{number // notes:05}" for number in range(n))
        return Outcome("yes", subjects, probability, happened, probability >= 0.5, 0.5)

    return made


def found(outcome: Outcome, num_resamples: int = 300) -> Calibration:
    result = calibration(outcome, num_resamples=num_resamples)
    assert result is not None
    return result


def test_brier_score_and_log_loss_equal_sklearn(answered: Answered) -> None:
    outcome = answered(500, 0, factor=1.4)
    share = outcome.happened.mean()
    block = found(outcome)

    assert block.brier.value == pytest.approx(brier_score_loss(outcome.happened, outcome.probability), abs=1e-12)
    assert block.log_loss.value == pytest.approx(log_loss(outcome.happened, outcome.probability), abs=1e-12)
    assert block.brier_skill.value == pytest.approx(1 - block.brier.value / (share * (1 - share)), abs=1e-12)


def test_the_slope_is_that_of_a_logistic_regression_on_the_logit(answered: Answered) -> None:
    outcome = answered(800, 1, factor=1.7, shift=0.3)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    fitted.fit(logits(outcome.probability)[:, None], outcome.happened)

    assert found(outcome).slope.value == pytest.approx(float(fitted.coef_[0, 0]), abs=1e-5)


def test_the_intercept_makes_the_mean_probability_the_observed_share(answered: Answered) -> None:
    outcome = answered(800, 2, shift=0.8)
    intercept = found(outcome).intercept.value
    moved = 1 / (1 + np.exp(-(logits(outcome.probability) + intercept)))

    assert moved.mean() == pytest.approx(outcome.happened.mean(), abs=1e-9)
    assert intercept == pytest.approx(-0.8, abs=0.25)


def test_doubled_logits_have_a_slope_of_one_half_and_are_flagged(answered: Answered) -> None:
    blocks = [found(answered(400, seed, factor=2.0), num_resamples=200) for seed in range(25)]

    assert sum(block.slope.low < 0.5 < block.slope.high for block in blocks) >= 21
    assert all(block.is_off for block in blocks)


def test_right_probabilities_of_300_patients_are_hardly_ever_flagged(answered: Answered) -> None:
    blocks = [found(answered(300, seed), num_resamples=200) for seed in range(25)]

    assert sum(block.is_off for block in blocks) <= 4
    errors = [block.expected_error for block in blocks]
    assert 0.03 < np.mean(errors) < 0.08  # By chance alone: it is never 0.
    assert sum(block.expected_error > block.expected_error_by_chance[1] for block in blocks) <= 3


def test_probabilities_that_are_far_too_high_exceed_what_chance_makes_of_the_expected_error(answered: Answered) -> None:
    block = found(answered(600, 4, shift=1.5))

    assert block.expected_error > 2 * block.expected_error_by_chance[1]
    assert block.intercept.high < 0


def test_many_notes_of_one_patient_widen_the_interval(answered: Answered) -> None:
    alone = answered(300, 5)
    many = replace(
        alone,
        subjects=alone.subjects * 4,
        probability=np.tile(alone.probability, 4),
        happened=np.tile(alone.happened, 4),
        decided=np.tile(alone.decided, 4),
    )
    by_note = replace(many, subjects=tuple(str(number) for number in range(1200)))

    patient, note = found(many).slope, found(by_note).slope
    assert patient.high - patient.low > 1.6 * (note.high - note.low)


def test_the_curve_is_a_weighted_straight_line_around_each_point(answered: Answered) -> None:
    outcome = answered(200, 6)
    curve = found(outcome, num_resamples=0).curve
    point = curve.predicted[20]
    apart = np.abs(outcome.probability - point)
    weight = np.clip(1 - (apart / np.sort(apart)[149]) ** 3, 0, None) ** 3
    design = np.stack([np.ones(200), outcome.probability - point], axis=1) * np.sqrt(weight)[:, None]
    line = np.linalg.lstsq(design, outcome.happened * np.sqrt(weight), rcond=None)[0]

    assert curve.observed[20] == pytest.approx(float(line[0]), abs=1e-4)


def test_the_band_of_the_curve_holds_the_diagonal_where_probabilities_are_right(answered: Answered) -> None:
    curve = found(answered(3000, 7)).curve

    inside = [low <= p <= high for p, low, high in zip(curve.predicted, curve.low, curve.high, strict=True)]
    assert np.mean(inside) > 0.8


def test_equal_probabilities_have_no_slope_and_say_why(answered: Answered) -> None:
    flat = replace(answered(100, 8), probability=np.full(100, 0.4))
    block = found(flat)

    assert (block.slope.value, block.slope.low) == (None, None)
    assert block.slope.reason.startswith("no finite fit")
    assert block.brier.value is not None


def test_scores_that_part_the_classes_without_error_have_no_slope(answered: Answered) -> None:
    outcome = answered(100, 9)
    sure = replace(outcome, probability=np.where(outcome.happened, 0.9, 0.1) + np.linspace(0, 0.05, 100))

    assert found(sure).slope.value is None


def test_certain_and_wrong_probabilities_give_finite_numbers(answered: Answered) -> None:
    outcome = answered(200, 10)
    block = found(replace(outcome, probability=(outcome.probability > 0.5).astype(float)))

    assert block.slope.value is not None
    assert np.isfinite(block.log_loss.value)


def test_fewer_than_eleven_patients_with_the_label_are_not_described(answered: Answered) -> None:
    outcome = answered(100, 11)
    happened = np.arange(100) < 10

    assert calibration(replace(outcome, happened=happened)) is None
    assert calibration(replace(outcome, happened=~happened)) is None
    assert calibration(replace(outcome, happened=np.arange(100) < 11), num_resamples=20) is not None


def test_small_bars_of_the_histogram_are_hidden(answered: Answered) -> None:
    probability = np.concatenate([np.full(50, 0.025), np.full(40, 0.525), np.full(10, 0.975)])
    histogram = found(replace(answered(100, 12), probability=probability), num_resamples=20).histogram

    # The ten are too few; the forty are hidden too, or the total would give the ten away.
    assert (histogram[0], histogram[10], histogram[19]) == (50, None, None)
    assert sum(count or 0 for count in histogram) == 50
