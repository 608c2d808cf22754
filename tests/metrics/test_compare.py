"""Naming the best of many models claims no more than the data show."""

from __future__ import annotations

import numpy as np
import pytest

from clinpeft.metrics.base import METRICS, Floats, Predictions
from clinpeft.metrics.compare import Comparison, Sampled, compare
from clinpeft.metrics.intervals import resample_weights, resampled

NUM_DRAWS = 600


def of_correct(correct: Floats, subjects: list[str], seed: int = 0) -> list[Sampled]:
    """Models with one seed and the accuracy as metric; correct: [k, n] of 0 and 1."""
    weights = resample_weights(subjects, NUM_DRAWS, seed)
    draws = (weights @ correct.T) / weights.sum(axis=1, keepdims=True)
    return [
        Sampled((1,), np.array([row.mean()]), draws[:, [place]].T)
        for place, row in enumerate(np.asarray(correct, dtype=np.float64))
    ]


def claims(found: Comparison) -> int:
    """Pairs of which one is said to be better."""
    return int((found.low > 0).sum())


def test_a_model_against_its_twin_is_a_tie() -> None:
    correct = np.tile([1.0, 0.0, 1.0, 1.0], (2, 1))
    found = compare(of_correct(correct, list("abcd")))

    assert found.difference[0, 1] == found.low[0, 1] == found.high[0, 1] == 0
    assert found.win[0, 1] == 0.5
    assert np.isnan(found.win[0, 0])


def test_the_difference_is_row_minus_column_and_its_interval_mirrors() -> None:
    correct = np.array([[1, 1, 1, 0, 1, 1, 0, 1], [1, 0, 0, 0, 1, 0, 0, 1]], dtype=float)
    found = compare(of_correct(correct, list("abcdefgh")))

    assert found.difference[0, 1] == 6 / 8 - 3 / 8
    assert found.low[1, 0] == -found.high[0, 1]
    assert found.win[0, 1] == pytest.approx(1 - found.win[1, 0])


def test_what_is_hard_for_both_cancels_out() -> None:
    generator = np.random.default_rng(0)
    hard = generator.random(400) < 0.4
    first, second = ~hard, ~hard & (generator.random(400) < 0.95)
    subjects = [str(number) for number in range(400)]
    found = compare(of_correct(np.array([first, second], dtype=float), subjects))
    deviation = found.deviations.std(axis=1)
    unpaired = 1.96 * np.hypot(*deviation)

    assert (found.high - found.low)[0, 1] / 2 < 0.5 * unpaired
    assert found.low[0, 1] > 0


def studies_with_a_false_claim(num_studies: int) -> int:
    """Of 60 equal models on 300 subjects."""
    generator, wrong = np.random.default_rng(1), 0
    subjects = [str(number) for number in range(300)]
    for study in range(num_studies):
        correct = (generator.random((60, 300)) < 0.74).astype(float)
        wrong += claims(compare(of_correct(correct, subjects, seed=study))) > 0
    return wrong


def test_of_sixty_equal_models_hardly_ever_is_one_called_better() -> None:
    assert studies_with_a_false_claim(20) <= 2


@pytest.mark.slow
def test_of_sixty_equal_models_one_is_called_better_in_no_more_than_one_study_in_twenty() -> None:
    assert studies_with_a_false_claim(400) <= 20


def test_a_model_that_is_really_better_is_found_among_many() -> None:
    generator = np.random.default_rng(2)
    correct = (generator.random((30, 600)) < 0.7).astype(float)
    correct[7] = generator.random(600) < 0.9
    found = compare(of_correct(correct, [str(number) for number in range(600)]))

    assert (np.delete(found.low[7], 7) > 0).all()
    assert claims(found) == 29


@pytest.mark.slow
def test_the_interval_of_a_difference_covers_the_truth_with_one_to_thirty_notes_a_patient() -> None:
    generator, covered, num_studies = np.random.default_rng(3), 0, 400
    for study in range(num_studies):
        subjects = np.repeat(np.arange(80), generator.integers(1, 31, size=80))
        patient = generator.standard_normal(80)[subjects]
        chances = [1 / (1 + np.exp(-(patient + shift))) for shift in (1.0, 0.4)]
        correct = np.array([generator.random(len(subjects)) < chance for chance in chances], dtype=float)
        found = compare(of_correct(correct, [str(subject) for subject in subjects], seed=study))
        grid = np.linspace(-8, 8, 4001)
        density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi) * (grid[1] - grid[0])
        truth = [float((density / (1 + np.exp(-(grid + shift)))).sum()) for shift in (1.0, 0.4)]
        covered += bool(found.low[0, 1] <= truth[0] - truth[1] <= found.high[0, 1])

    assert 0.92 <= covered / num_studies <= 0.975


def test_the_spread_between_seeds_widens_the_interval_by_that_of_their_mean() -> None:
    values = np.array([0.7, 0.8, 0.9])
    calm = Sampled((1, 2, 3), np.full(3, 0.5), np.full((3, 20_000), 0.5))
    wild = Sampled((1, 2, 3), values, np.repeat(values[:, None], 20_000, axis=1))
    found = compare([wild, calm])
    half = (found.high - found.low)[0, 1] / 2

    # s / √3 = 0.0577, and the factor of a normal distribution is 1.96; three seeds drawn with
    # replacement have few distinct means, so it is near that only.
    assert found.deviations[0].std() == pytest.approx(0.1 / np.sqrt(3), rel=0.02)
    assert 1.8 * 0.0577 < half < 2.2 * 0.0577


def test_seeds_that_help_two_models_alike_do_not_blur_their_difference() -> None:
    values = np.array([0.7, 0.8, 0.9])
    first = Sampled((1, 2, 3), values, np.repeat(values[:, None], 500, axis=1))
    second = Sampled((1, 2, 3), values - 0.05, np.repeat(values[:, None] - 0.05, 500, axis=1))
    found = compare([first, second])

    assert found.low[0, 1] == pytest.approx(0.05)
    assert found.high[0, 1] == pytest.approx(0.05)


def test_a_model_that_lacks_a_seed_is_compared_by_those_it_has() -> None:
    whole = Sampled((1, 2, 3), np.array([0.7, 0.8, 0.9]), np.full((3, 100), 0.8))
    failed_once = Sampled((1, 3), np.array([0.6, 0.8]), np.full((2, 100), 0.7))
    found = compare([whole, failed_once])

    assert found.difference[0, 1] == pytest.approx(0.1)
    assert np.isfinite(found.low).all()


def test_there_is_no_interval_where_most_resamples_leave_the_metric_undefined() -> None:
    draws = np.full((1, 10), np.nan)
    draws[0, :4] = 0.5
    found = compare([Sampled((1,), np.array([0.5]), draws), Sampled((1,), np.array([0.4]), np.full((1, 10), 0.4))])

    assert found.difference[0, 1] == pytest.approx(0.1)
    assert np.isnan(found.low).all()
    assert np.isnan(found.win).all()


def test_models_on_different_resamples_are_no_pair() -> None:
    one, other = (Sampled((1,), np.array([0.5]), np.full((1, number), 0.5)) for number in (10, 20))

    with pytest.raises(ValueError, match="same resamples"):
        compare([one, other])
    with pytest.raises(ValueError, match="same resamples"):
        compare([])


def test_the_draws_of_a_metric_pair_two_models_whatever_the_order_of_their_rows() -> None:
    gold = np.array([0, 1, 0, 1, 1, 0])
    chance = np.array([0.2, 0.7, 0.4, 0.6, 0.3, 0.1])
    order = np.array([3, 1, 0, 5, 4, 2])
    subjects = np.array(list("aabbcc"))

    def drawn(places: Floats) -> Floats:
        at = places.astype(int)
        predictions = Predictions(
            kind="classification",
            labels=("no", "yes"),
            subjects=tuple(subjects[at]),
            gold=gold[at],
            scores=np.stack([1 - chance[at], chance[at]], axis=1),
            positive=1,
        )
        found = resampled(METRICS.get("auroc")(), predictions, num_resamples=50)
        assert found is not None
        assert found[0] == pytest.approx(8 / 9)
        return found[1]

    np.testing.assert_allclose(drawn(np.arange(6.0)), drawn(order.astype(float)))
