"""The recommendation: which configuration, by which rule, and what the sentence says."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
from tests.report.conftest import scored

from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.recommend import recommend
from clinpeft.report.results import Recommendation


def recommendation(folder: Any) -> Recommendation:
    (found,) = aggregate(load([folder.root])).recommendations
    return found


def chosen(folder: Any) -> tuple[str, str] | None:
    choice = recommendation(folder).choice
    return (choice.model, choice.method) if choice else None


def test_the_cheapest_within_the_interval_of_the_best_is_taken(folder: Any) -> None:
    folder.run("large", "full", value=0.88, arm=0.04, seconds=300)
    folder.run("small", "lora", value=0.85, arm=0.04, seconds=100)
    folder.run("small", "head", value=0.83, arm=0.04, seconds=10)

    found = recommendation(folder)

    assert chosen(folder) == ("small", "lora")
    assert (found.runner_up.model, found.runner_up.method) == ("large", "full")
    assert found.verdict == "within_noise"
    assert found.cost_ratio == pytest.approx(1 / 3)


def test_the_difference_to_the_best_has_an_interval_from_both(folder: Any) -> None:
    folder.run("large", "full", value=0.88, arm=0.04, seconds=300)
    folder.run("small", "lora", value=0.85, arm=0.03, seconds=100)

    gap = recommendation(folder).difference_to_best

    assert gap.value == pytest.approx(-0.03)
    assert (gap.low, gap.high) == (pytest.approx(-0.03 - 0.05), pytest.approx(-0.03 + 0.05))


def test_the_sentence_holds_numbers_seeds_interval_price_and_noise(folder: Any) -> None:
    for seed in (1, 2):
        folder.run("minilm-l6", "full", seed, value=0.88, arm=0.04, seconds=300)
        folder.run("minilm-l6-first3", "lora", seed, value=0.87, arm=0.04, seconds=100)

    assert recommendation(folder).sentence == (
        "For ward-notes take minilm-l6-first3 with lora: auroc 0.870 [0.830, 0.910] on validation (2 seeds), within "
        "the interval of the best (minilm-l6 with full, 0.880 [0.840, 0.920]) at 1/3 of its training time. "
        "With 2 seeds the difference of 0.010 [-0.047, 0.067] is within noise."
    )


def test_the_rule_best_takes_the_highest_mean(new_study: Any) -> None:
    folder = new_study(select={"rule": "best"})
    folder.run("large", value=0.88, seconds=300)
    folder.run("small", value=0.87, seconds=1)

    assert chosen(folder) == ("large", "lora")


def test_a_clear_lead_is_called_clear(folder: Any) -> None:
    folder.run("large", value=0.90, arm=0.01, seconds=300)
    folder.run("small", value=0.80, arm=0.01, seconds=1)

    found = recommendation(folder)

    assert found.verdict == "clear"
    assert (found.difference_to_best.value, found.difference_to_best.low) == (0, 0)
    assert found.cost_ratio == 300
    assert "better than the next best (small with lora, 0.800 [0.790, 0.810]) by 0.100" in found.sentence


def test_a_lead_within_noise_is_not_called_clear(folder: Any) -> None:
    arm = 0.03
    folder.run("large", value=0.90, arm=arm, seconds=300)
    folder.run("small", value=0.90 - arm * sqrt(2) + 0.001, arm=arm, seconds=1)

    assert (chosen(folder), recommendation(folder).verdict) == (("large", "lora"), "within_noise")


def test_for_a_loss_the_lowest_is_the_best(folder: Any) -> None:
    folder.card(metric="brier")
    for model, value, seconds in (("small", 0.10, 9), ("large", 0.30, 1)):
        score = {"value": value, "low": value - 0.02, "high": value + 0.02, "num_subjects": 90}
        folder.run(model, scores={"brier": score}, seconds=seconds)

    assert chosen(folder) == ("small", "lora")
    assert recommendation(folder).verdict == "clear"


def test_equal_scores_and_costs_are_decided_by_trainable_parameters_then_name(folder: Any) -> None:
    folder.run("b", value=0.8, seconds=5, trainable=20)
    folder.run("a", value=0.8, seconds=5, trainable=30)
    assert chosen(folder) == ("b", "lora")

    folder.run("c", value=0.8, seconds=5, trainable=10)
    folder.run("aa", value=0.8, seconds=5, trainable=10)
    assert chosen(folder) == ("aa", "lora")


def test_the_run_handed_over_is_the_first_seeds_and_not_the_best_ones(folder: Any) -> None:
    first = folder.run(seed=1, value=0.80)
    folder.run(seed=2, value=0.90)

    assert recommendation(folder).choice.run == first.run


def test_a_failed_first_seed_is_not_handed_over(folder: Any) -> None:
    folder.failed("small", "lora", 1, "diverged", "diverged", "the loss became infinite")
    second = folder.run(seed=2, value=0.90)

    found = recommendation(folder)

    assert found.choice.run == second.run
    assert "1 of its 2 seeds failed." in found.sentence


def test_opening_the_test_labels_changes_no_recommendation(folder: Any) -> None:
    folder.run("large", value=0.88, seconds=300)
    folder.run("small", value=0.87, seconds=100)
    sealed = recommendation(folder)

    folder.run("large", value=0.88, seconds=300, test=0.2)
    folder.run("small", value=0.87, seconds=100, test=0.9)

    assert recommendation(folder) == sealed


def test_what_breaks_a_limit_is_not_taken_and_the_price_is_told(new_study: Any) -> None:
    folder = new_study(select={"limits": {"train_seconds": 100}})
    folder.run("large", value=0.90, arm=0.01, seconds=300)
    folder.run("small", value=0.80, arm=0.01, seconds=100)

    found = recommendation(folder)

    assert (chosen(folder), found.limits_prestated) == (("small", "lora"), True)
    assert found.difference_to_best.value == pytest.approx(-0.1)
    assert "which the best of all does not: large with lora, 0.900 [0.890, 0.910]" in found.sentence


def test_an_unknown_cost_keeps_no_limit(new_study: Any) -> None:
    folder = new_study(select={"limits": {"energy_joules": 1e9}})
    folder.run()

    assert recommendation(folder).verdict == "none_fits"


def test_when_nothing_fits_the_nearest_is_named(new_study: Any) -> None:
    folder = new_study(select={"limits": {"train_seconds": 1}})
    folder.run("large", seconds=300)
    folder.run("small", seconds=90)

    found = recommendation(folder)

    assert (found.choice, found.runner_up, found.verdict) == (None, None, "none_fits")
    assert (
        "none of 2 configurations keeps every limit (training time at most 1 s; nearest: 1 min 30 s, small with lora)"
        in (found.sentence)
    )


def test_a_limit_on_examples_per_second_is_a_floor(new_study: Any) -> None:
    folder = new_study(select={"limits": {"examples_per_second": 50}})
    folder.run("large", value=0.9, cost={"examples_per_second": {"value": 40.0, "how": "measured"}})
    folder.run("small", value=0.8, cost={"examples_per_second": {"value": 60.0, "how": "measured"}})

    assert chosen(folder) == ("small", "lora")


def test_limits_given_afterwards_are_not_called_prestated(folder: Any) -> None:
    folder.run("large", value=0.9, seconds=300)
    folder.run("small", value=0.8, seconds=10)
    loaded = load([folder.root])

    (found,) = recommend(aggregate(loaded), loaded[0].study.select, {"train_seconds": 50})

    assert (found.choice.model, found.limits, found.limits_prestated) == ("small", {"train_seconds": 50}, False)
    assert found.sentence.endswith("Limits were given afterwards that the study does not state.")


def test_a_rule_changed_after_the_start_is_not_called_prestated(folder: Any) -> None:
    folder.write_study("study-00000000.yaml", select={"rule": "best"})
    folder.run()

    assert not recommendation(folder).limits_prestated
    assert recommendation(folder).sentence.endswith("The rule is not the one that the study began with.")


def test_another_metric_after_the_start_is_another_rule(folder: Any) -> None:
    (task,) = folder.study["tasks"]
    for name, metric in (("study-00000000.yaml", "auroc"), ("study-11111111.yaml", "f1"), ("study.yaml", "f1")):
        folder.write_study(name, tasks=[{**task, "metric": metric}])
    folder.run(scores={"auroc": scored(0.8), "f1": scored(0.6)})

    found = recommendation(folder)

    assert (found.metric, found.limits_prestated) == ("f1", False)
    assert (
        "demo is not the one it started with (ward-notes: by another metric)."
        in (aggregate(load([folder.root])).warnings[0])
    )


def test_a_task_that_was_added_later_changes_no_rule(new_study: Any) -> None:
    folder = new_study(tasks=["rqe", {"name": "mtsamples", "metric": "f1-macro"}])
    folder.write_study("study-00000000.yaml", tasks=["rqe"])
    folder.run(task="rqe")

    assert recommendation(folder).limits_prestated


def test_no_score_at_all_recommends_nothing(folder: Any) -> None:
    folder.failed("small", "lora", 1, "failed", "bug", "index out of range")

    found = recommendation(folder)

    assert (found.choice, found.verdict, found.metric) == (None, "none_fits", "auroc")
    assert "no run has a validation score (auroc)" in found.sentence


def test_a_baseline_that_suffices_is_recommended(folder: Any) -> None:
    folder.run("none", "tfidf-logistic", 0, value=0.85, seconds=1)
    folder.run("large", value=0.88, seconds=300)

    found = recommendation(folder)

    assert chosen(folder) == ("none", "tfidf-logistic")
    assert found.sentence.startswith("For ward-notes take TF-IDF + logistic regression: auroc 0.850")
    assert "There is no evidence that a fine-tuned model does better here." in found.sentence


def test_a_choice_not_shown_to_beat_tfidf_says_so(folder: Any) -> None:
    folder.run("none", "tfidf-logistic", 0, value=0.82, arm=0.05, seconds=1)
    folder.run("large", value=0.88, arm=0.05, seconds=300)

    sentence = recommendation(folder).sentence

    assert "no evidence that it beats TF-IDF + logistic regression (0.820 [0.770, 0.870])" in sentence


def test_a_choice_that_beats_tfidf_says_by_how_much(folder: Any) -> None:
    folder.run("none", "tfidf-logistic", 0, value=0.70, arm=0.02, seconds=1)
    folder.run("large", value=0.88, arm=0.02, seconds=300)

    told = "It beats TF-IDF + logistic regression (0.700 [0.680, 0.720]) by 0.180 [0.152, 0.208]."
    assert told in recommendation(folder).sentence


def test_nothing_better_than_the_most_frequent_class_says_so(folder: Any) -> None:
    folder.run("none", "majority", 0, value=0.5, arm=0.0, seconds=1)
    folder.run("large", value=0.52, arm=0.05, seconds=300)

    assert "nothing is shown to beat always answering the most frequent class" in recommendation(folder).sentence


def test_a_single_seed_is_named_as_such(folder: Any) -> None:
    folder.run()

    assert "With one seed the spread between seeds is unknown." in recommendation(folder).sentence

    folder.failed("small", "lora", 2, "diverged", "diverged", "the loss became infinite")
    assert "1 of its 2 seeds failed. With one seed the spread between seeds" in recommendation(folder).sentence


def test_a_difference_without_an_interval_is_not_called_noise(folder: Any) -> None:
    for model, value in (("large", 0.9), ("small", 0.8)):
        folder.run(model, scores={"auroc": {"value": value, "num_subjects": 1, "reason": "no interval"}})

    found = recommendation(folder)

    assert found.verdict == "within_noise"
    assert "Whether the difference of 0.100 to the next best (small with lora, 0.800) is noise is not known" in (
        found.sentence
    )


def test_without_predictions_the_best_of_many_equal_ones_is_not_called_better(new_study: Any) -> None:
    folder = new_study(select={"rule": "best"})
    folder.run("none", "tfidf-logistic", 0, value=0.80, arm=0.03)
    folder.run("small", "full", value=0.85, arm=0.03)
    assert "It beats TF-IDF" in recommendation(folder).sentence

    for rank in range(1, 9):
        folder.run("small", "lora", value=0.80, arm=0.03, options={"r": rank})

    # Of ten configurations 45 pairs: the interval is 3.26 standard deviations wide to each side, not 1.96.
    assert "You have no evidence that it beats TF-IDF" in recommendation(folder).sentence


def test_costs_on_other_hardware_are_not_compared(folder: Any) -> None:
    folder.run("large", value=0.88, seconds=300, hardware="cpu-a")
    folder.run("small", value=0.87, seconds=1, hardware="gpu-b")

    found = recommendation(folder)

    assert (chosen(folder), found.cost_ratio) == (("large", "lora"), None)
    assert "Not compared by training time, since it ran on other hardware: small with lora." in found.sentence


def test_limits_on_what_was_measured_on_different_hardware_say_so(new_study: Any) -> None:
    folder = new_study(select={"limits": {"train_seconds": 200}})
    folder.run("small", value=0.8, seconds=100, hardware="cpu-a")
    folder.run("large", value=0.9, seconds=100, hardware="cpu-a")
    assert "hardware" not in recommendation(folder).sentence

    folder.run("large", "full", value=0.7, seconds=100, hardware="gpu-b")

    told = "Each configuration was held to them by what it took on its own hardware (cpu-a and gpu-b)."
    assert told in recommendation(folder).sentence


def test_size_on_disk_is_compared_across_hardware(new_study: Any) -> None:
    folder = new_study(select={"cost": "adapter_bytes"})
    for model, value, size, hardware in (("large", 0.88, 400.0, "cpu-a"), ("small", 0.87, 100.0, "gpu-b")):
        folder.run(model, value=value, hardware=hardware, cost={"adapter_bytes": {"value": size, "how": "measured"}})

    assert (chosen(folder), recommendation(folder).cost_ratio) == (("small", "lora"), 0.25)


def test_a_few_examples_do_not_compete_with_all_of_them(folder: Any) -> None:
    folder.run("small", value=0.87, seconds=1, train={"subset": {"per_class": 16}})
    folder.run("small", value=0.88, seconds=100)

    assert recommendation(folder).runner_up is None


def test_each_task_has_its_own_recommendation(new_study: Any) -> None:
    folder = new_study(tasks=["rqe", "mtsamples"])
    folder.run("small", task="mtsamples")
    folder.run("large", task="rqe")

    results = aggregate(load([folder.root]))

    assert [(found.task, found.choice.model) for found in results.recommendations] == [
        ("rqe", "large"),
        ("mtsamples", "small"),
    ]
