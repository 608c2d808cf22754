"""Intervals come from resampled subjects, are reproducible, and are absent with a reason where they mean nothing."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature
from math import erf
from typing import Any

import numpy as np
import pytest

from clinpeft.errors import UnknownName
from clinpeft.metrics.base import METRICS, Floats, Metric, Predictions
from clinpeft.metrics.calibration import calibration
from clinpeft.metrics.intervals import resample_weights, resampled, score, scores, totals
from clinpeft.metrics.net_benefit import decision_curve
from clinpeft.metrics.operating_point import at_threshold, operating_point
from clinpeft.metrics.subgroups import subgroups
from clinpeft.metrics.thresholds import metrics_for


def many_notes_per_patient(seed: int, num_subjects: int, separation: float = 1.0) -> Predictions:
    """Patients with 1 to 30 notes; all notes of a patient share the outcome and half of the score's noise.

    Two notes of different patients differ in the score by N(separation, 4), so the true AUROC is Φ(separation / 2).
    """
    generator = np.random.default_rng(seed)
    notes = generator.integers(1, 31, size=num_subjects)
    patient = np.repeat(np.arange(num_subjects), notes)
    outcome = (np.arange(num_subjects) % 2)[patient]
    noise = generator.normal(size=num_subjects)[patient] + generator.normal(size=len(patient))
    probability = 1 / (1 + np.exp(-(separation * outcome + noise)))
    return Predictions(
        "classification",
        ("no", "yes"),
        tuple(f"patient{index:04}" for index in patient),
        gold=outcome,
        scores=np.stack([1 - probability, probability], axis=1),
        positive=1,
    )


def one_note_each(predictions: Predictions) -> Predictions:
    return replace(predictions, subjects=tuple(str(index) for index in range(len(predictions))))


def test_every_resample_draws_whole_subjects_and_as_many_as_there_are() -> None:
    subjects = ("b", "a", "b", "c", "a", "b")
    weights = resample_weights(subjects, 50, seed=0)

    assert weights.shape == (50, 6)
    assert (weights[:, [0, 0]] == weights[:, [2, 5]]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(weights, axis=0)) > 5


def test_resamples_follow_the_subjects_whatever_the_order_of_the_examples() -> None:
    subjects = np.array(["b", "a", "b", "c", "d"])
    order = np.array([4, 2, 0, 3, 1])

    shuffled = resample_weights(tuple(subjects[order]), 20, seed=3)

    assert (shuffled == resample_weights(tuple(subjects), 20, seed=3)[:, order]).all()


def test_no_subjects_give_no_weights() -> None:
    assert resample_weights((), 4, seed=0).shape == (4, 0)


@pytest.mark.parametrize("name", METRICS.names())
def test_the_value_is_the_metric_under_weights_of_one_and_lies_in_the_interval(
    name: str, make: Any, make_entities: Any, value: Any
) -> None:
    kind = METRICS.get(name).kinds[0]
    generator = np.random.default_rng(0)
    predictions = make_entities(generator, n=60) if kind == "entities" else make(generator, kind, n=200)
    result = score(METRICS.get(name)(), predictions, num_resamples=300)

    assert result.value == pytest.approx(value(name, predictions), abs=1e-12)
    assert result.low is not None
    assert result.high is not None
    assert result.low < value(name, predictions) < result.high
    assert result.num_subjects == len(set(predictions.subjects))
    assert result.reason is None


@pytest.mark.parametrize("name", METRICS.names())
def test_the_interval_is_the_percentiles_of_the_metric_under_the_resamples(
    name: str, make: Any, make_entities: Any
) -> None:
    kind = METRICS.get(name).kinds[0]
    generator = np.random.default_rng(1)
    predictions = make_entities(generator, n=60) if kind == "entities" else make(generator, kind, n=100)
    metric = METRICS.get(name)()
    values = metric.values(predictions, resample_weights(predictions.subjects, 200, seed=7))
    result = score(metric, predictions, num_resamples=200, seed=7)

    assert (result.low, result.high) == pytest.approx(tuple(np.nanpercentile(values, [2.5, 97.5])), abs=1e-12)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another(make: Any) -> None:
    predictions = make(np.random.default_rng(0), n=80)
    first, second, third = (score(METRICS.get("auroc")(), predictions, num_resamples=200, seed=s) for s in (1, 1, 2))

    assert first == second
    assert first.low != third.low


def test_several_metrics_score_as_each_does_alone(make: Any) -> None:
    predictions = make(np.random.default_rng(0), n=80)
    names = metrics_for("classification", 2)
    together = scores(names, predictions, num_resamples=100, seed=5)

    assert list(together) == names
    for name in names:
        assert together[name] == score(METRICS.get(name)(), predictions, num_resamples=100, seed=5)


def test_an_unknown_metric_is_refused_by_name(make: Any) -> None:
    with pytest.raises(UnknownName, match="did you mean 'auroc'"):
        scores(["aurco"], make(np.random.default_rng(0)))


@pytest.mark.parametrize(
    "function",
    [score, scores, resampled, totals, calibration, decision_curve, operating_point, at_threshold, subgroups],
)
def test_unless_told_otherwise_there_are_2000_resamples_of_one_known_seed(function: Any) -> None:
    asked = signature(function).parameters

    assert (asked["num_resamples"].default, asked["seed"].default) == (2000, 0)


def test_the_interval_of_a_record_is_that_of_2000_resamples_of_seed_0(make: Any) -> None:
    predictions = make(np.random.default_rng(0), n=60)
    values = METRICS.get("accuracy")().values(predictions, resample_weights(predictions.subjects, 2000, seed=0))

    found = scores(["accuracy"], predictions)["accuracy"]
    assert (found.low, found.high) == pytest.approx(tuple(np.nanpercentile(values, [2.5, 97.5])), abs=1e-12)


def test_no_resamples_give_the_value_alone(make: Any, value: Any) -> None:
    predictions = make(np.random.default_rng(0), n=80)
    result = score(METRICS.get("auroc")(), predictions, num_resamples=0)

    assert (result.value, result.low, result.high, result.reason) == (value("auroc", predictions), None, None, None)


@pytest.mark.parametrize("name", ["auroc", "auprc", "accuracy", "brier"])
def test_many_notes_per_patient_widen_the_interval(name: str) -> None:
    predictions = many_notes_per_patient(0, num_subjects=150)
    by_patient, by_note = (
        score(METRICS.get(name)(), item, num_resamples=400) for item in (predictions, one_note_each(predictions))
    )

    assert by_patient.value == by_note.value
    assert width(by_patient) > 2 * width(by_note)


@pytest.mark.parametrize(
    ("num_simulations", "least", "most"), [(100, 88, 100), pytest.param(500, 460, 485, marks=pytest.mark.slow)]
)
def test_the_interval_covers_the_true_auroc_about_95_times_in_100(num_simulations: int, least: int, most: int) -> None:
    truth = 0.5 * (1 + erf(0.5 / np.sqrt(2)))
    results = [
        score(METRICS.get("auroc")(), many_notes_per_patient(seed, 80), num_resamples=400, seed=seed)
        for seed in range(num_simulations)
    ]
    num_covered = sum(result.low <= truth <= result.high for result in results)

    assert least <= num_covered <= most


def test_with_one_note_per_patient_the_interval_is_delongs() -> None:
    predictions = one_note_each(many_notes_per_patient(2, num_subjects=40))
    result = score(METRICS.get("auroc")(), predictions, num_resamples=4000)
    low, high = delong(predictions)

    assert result.low == pytest.approx(low, abs=0.005)
    assert result.high == pytest.approx(high, abs=0.005)


def delong(predictions: Predictions) -> tuple[float, float]:
    """95 % interval after DeLong et al. 1988, doi:10.2307/2531595."""
    positive, negative = (predictions.scores[predictions.gold == label, 1] for label in (1, 0))
    wins = (positive[:, None] > negative).astype(float) + 0.5 * (positive[:, None] == negative)
    deviation = np.sqrt(wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative))
    return wins.mean() - 1.96 * deviation, wins.mean() + 1.96 * deviation


def width(result: Any) -> float:
    return float(result.high - result.low)


def test_an_undefined_metric_is_null_with_its_reason(binary: Any) -> None:
    result = score(METRICS.get("auroc")(), binary([0, 0, 0], [0.1, 0.2, 0.3]))

    assert (result.value, result.low, result.high) == (None, None, None)
    assert result.reason == "no positive example"
    assert result.num_subjects == 3


def test_no_examples_are_null_with_a_reason(binary: Any, make_entities: Any) -> None:
    empty = scores(metrics_for("classification", 2), binary([], []))
    assert {result.reason for result in empty.values()} == {"no examples"}
    assert {result.num_subjects for result in empty.values()} == {0}

    none = scores(metrics_for("entities", 3), make_entities(np.random.default_rng(0), n=0))
    assert {result.reason for result in none.values()} == {"no examples"}


def test_one_subject_has_a_value_but_no_interval(binary: Any) -> None:
    predictions = replace(binary([0, 1, 1], [0.1, 0.9, 0.3]), subjects=("a", "a", "a"))
    result = score(METRICS.get("accuracy")(), predictions)

    assert result.value == pytest.approx(2 / 3)
    assert (result.low, result.high, result.reason) == (None, None, "no interval from one subject")


def test_a_few_undefined_resamples_are_left_out_of_the_interval(binary: Any) -> None:
    # The two positives are both missing from about (1 - 2/6)^6 = 9 % of the resamples.
    result = score(METRICS.get("auroc")(), binary([1, 1, 0, 0, 0, 0], [0.9, 0.2, 0.1, 0.3, 0.4, 0.5]))

    assert result.low is not None
    assert result.low < result.value


class Rarely(Metric):
    """Defined when the first example is drawn more than once, that is in about 26 % of the resamples."""

    kinds = ("classification",)
    title = "for this test"

    def undefined(self, predictions: Predictions) -> str | None:
        return None

    def values(self, predictions: Predictions, weights: Floats) -> Floats:
        return np.where((weights[:, 0] > 1) | (weights == 1).all(axis=1), weights.sum(axis=1), np.nan)


def test_a_metric_undefined_in_most_resamples_has_no_interval_and_says_so(make: Any) -> None:
    predictions = one_note_each(make(np.random.default_rng(0), n=50))
    result = score(Rarely(), predictions, num_resamples=500)

    assert result.value == 50
    assert (result.low, result.high) == (None, None)
    assert result.reason is not None
    assert result.reason.startswith("no interval: undefined in 7")


def test_the_score_of_an_average_says_over_how_many_labels(make: Any) -> None:
    predictions = make(np.random.default_rng(0), "multilabel", n=60, k=4)
    gold = predictions.gold.copy()
    gold[:, 1] = 0
    result = score(METRICS.get("auroc")(), replace(predictions, gold=gold), num_resamples=50)

    assert result.value is not None
    assert result.reason == "over 3 of 4 labels; the others have one class only"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gold": None}, "no gold labels"),
        ({"scores": None}, "no scores"),
        ({"scores": np.full((30, 2), np.nan)}, "some scores are not finite"),
        ({"kind": "entities"}, "not defined for entities"),
    ],
)
def test_what_cannot_be_scored_is_null_with_a_reason(change: dict[str, Any], reason: str, make: Any) -> None:
    predictions = replace(make(np.random.default_rng(0)), **change)

    for result in scores(metrics_for("classification", 2), predictions).values():
        assert (result.value, result.reason) == (None, reason)


def test_labels_that_nobody_annotated_are_null_with_a_reason(make: Any) -> None:
    predictions = make(np.random.default_rng(0), "multilabel", n=20, k=3, missing=1.0)

    for result in scores(metrics_for("multilabel", 3), predictions).values():
        assert (result.value, result.reason) == (None, "no label was annotated")


def test_shuffled_labels_are_scored_no_better_than_guessing() -> None:
    covered = 0
    for seed in range(60):
        predictions = many_notes_per_patient(seed, num_subjects=60)
        per_patient = np.random.default_rng(seed).permutation(np.arange(60) % 2)
        patient = np.unique(predictions.subjects, return_inverse=True)[1]
        result = score(METRICS.get("auroc")(), replace(predictions, gold=per_patient[patient]), num_resamples=200)
        covered += result.low <= 0.5 <= result.high

    assert 50 <= covered <= 60
