"""From records to rows, with numbers worked out by hand."""

from __future__ import annotations

import json
from math import sqrt
from typing import Any

import pytest

from clinpeft.errors import BadInput
from clinpeft.frozen import parse_json
from clinpeft.record import Score
from clinpeft.report.aggregate import aggregate, combine, load
from clinpeft.report.results import ResultRow, Results

Z = 1.959963984540054


def results_of(*folders: Any, **only: str) -> Results:
    return aggregate(load([folder.root for folder in folders]), only)


def only_row(results: Results) -> ResultRow:
    (row,) = results.rows
    return row


def score(value: float | None, low: float | None = None, high: float | None = None) -> Score:
    return Score(value=value, low=low, high=high, num_subjects=90)


def test_one_seed_keeps_its_own_interval() -> None:
    estimate = combine([score(0.8, 0.7, 0.86)], higher_is_better=True)

    assert (estimate.mean, estimate.low, estimate.high) == (0.8, 0.7, 0.86)


def test_the_interval_of_two_seeds_adds_the_noise_of_subjects_and_of_seeds() -> None:
    estimate = combine([score(0.80, 0.75, 0.85), score(0.84, 0.81, 0.87)], higher_is_better=True)

    # Mean bootstrap variance (0.05² + 0.03²) / 2 / Z², variance between seeds 0.0008, of their mean 0.0004.
    arm = Z * sqrt((0.0025 + 0.0009) / 2 / Z**2 + 0.0008 / 2)
    assert estimate.mean == pytest.approx(0.82)
    assert (estimate.low, estimate.high) == (pytest.approx(0.82 - arm), pytest.approx(0.82 + arm))


def test_a_skewed_interval_stays_skewed() -> None:
    estimate = combine([score(0.8, 0.6, 0.85), score(0.8, 0.6, 0.85)], higher_is_better=True)

    assert (estimate.low, estimate.high) == (pytest.approx(0.6), pytest.approx(0.85))


def test_a_quality_ends_at_one_and_a_loss_at_zero() -> None:
    quality = combine([score(0.95, 0.9, 1.0), score(0.99, 0.98, 1.0)], higher_is_better=True)
    loss = combine([score(0.05, 0.0, 0.1), score(0.01, 0.0, 0.02)], higher_is_better=False)

    assert quality.high == 1
    assert loss.low == 0


def test_a_quality_reaches_below_zero_only_where_a_seed_does() -> None:
    share = combine([score(0.1, 0.0, 0.3), score(0.5, 0.2, 0.8)], higher_is_better=True)
    correlation = combine([score(-0.1, -0.3, 0.1), score(0.3, 0.1, 0.5)], higher_is_better=True)

    assert share.low == 0
    assert correlation.low is not None and correlation.low < 0


def test_seeds_without_a_value_are_left_out_of_the_mean() -> None:
    estimate = combine([score(0.8, 0.7, 0.9), None, score(None)], higher_is_better=True)

    assert (estimate.mean, estimate.low, estimate.high) == (0.8, 0.7, 0.9)


def test_no_values_have_no_mean() -> None:
    assert combine([None, score(None)], higher_is_better=True).mean is None
    assert combine([], higher_is_better=True).mean is None


def test_a_seed_without_an_interval_leaves_the_mean_without_one() -> None:
    estimate = combine([score(0.8, 0.7, 0.9), score(0.9)], higher_is_better=True)

    assert (estimate.mean, estimate.low, estimate.high) == (pytest.approx(0.85), None, None)


def test_runs_that_differ_only_in_seed_make_one_row(folder: Any) -> None:
    first, second = folder.run(seed=1, value=0.80), folder.run(seed=2, value=0.84)

    row = only_row(results_of(folder))

    assert row.mean == pytest.approx(0.82)
    assert row.per_seed == (0.80, 0.84)
    assert (row.num_seeds, row.num_failed, row.num_folds) == (2, 0, 0)
    assert row.runs == (first.run, second.run)


def test_a_failed_seed_is_counted_and_null_and_never_dropped(folder: Any) -> None:
    folder.run(seed=1, value=0.8)
    failed = folder.failed("small", "lora", 2, "out_of_memory", "oom_host", "8 GB were free")

    results = results_of(folder)

    row = only_row(results)
    assert row.per_seed == (0.8, None)
    assert (row.mean, row.num_seeds, row.num_failed) == (0.8, 1, 1)
    assert failed.run in row.runs
    assert [(failure.run, failure.status, failure.code) for failure in results.failures] == [
        (failed.run, "out_of_memory", "oom_host")
    ]


def test_a_configuration_that_always_failed_keeps_its_row(folder: Any) -> None:
    for seed in (1, 2):
        folder.failed("small", "lora", seed, "diverged", "diverged", "the loss became infinite")

    row = only_row(results_of(folder))

    assert (row.metric, row.mean, row.low, row.per_seed, row.num_failed) == ("auroc", None, None, (None, None), 2)
    assert (row.cost, row.hardware_id, row.trainable_parameters) == ({}, None, None)


def test_an_undefined_score_is_null_with_its_reason_and_no_failure(folder: Any) -> None:
    folder.run(value=None)

    results = results_of(folder)

    row = only_row(results)
    assert (row.mean, row.per_seed, row.num_seeds, row.num_failed) == (None, (None,), 0, 0)
    assert any("only one class present" in warning for warning in results.warnings)


def test_other_options_or_learning_rates_are_other_configurations(folder: Any) -> None:
    folder.run(options={"rank": 8})
    folder.run(options={"rank": 16})
    folder.run(options={"rank": 16}, train={"learning_rate": 0.5})

    options = [row.options for row in results_of(folder).rows]

    assert len(options) == 3
    assert {"rank": 16, "learning_rate": 0.5} in options


def test_what_else_differs_is_named_in_the_options(folder: Any) -> None:
    folder.run(train={"max_length": 128})
    folder.run(train={"max_length": 256})

    assert sorted(row.options["train.max_length"] for row in results_of(folder).rows) == [128, 256]


def test_threads_make_no_other_configuration(folder: Any) -> None:
    folder.run(seed=1, train={"threads": 1})
    folder.run(seed=2, train={"threads": 4})

    assert only_row(results_of(folder)).num_seeds == 2


def test_trials_of_a_search_are_no_rows(folder: Any) -> None:
    folder.run(seed=1)
    folder.run(seed=2, role="trial")

    assert only_row(results_of(folder)).num_seeds == 1


def test_the_headline_metric_comes_first_and_the_others_after_it(folder: Any) -> None:
    scores = {"brier": score(0.1, 0.05, 0.2).model_dump(), "auroc": score(0.8, 0.7, 0.9).model_dump()}
    folder.run(scores=scores)

    rows = results_of(folder).rows

    assert [(row.metric, row.higher_is_better) for row in rows] == [("auroc", True), ("brier", False)]


def test_the_studys_own_metric_goes_before_the_cards(new_study: Any) -> None:
    folder = new_study(select={"metric": "f1"})
    folder.card()
    folder.run(scores={"auroc": score(0.8).model_dump(), "f1": score(0.6).model_dump()})

    results = results_of(folder)

    assert results.rows[0].metric == "f1"
    assert results.recommendations[0].metric == "f1"


def test_a_cost_is_the_mean_over_runs_with_its_range(folder: Any) -> None:
    folder.run(seed=1, seconds=100, cost={"flops": {"value": 4.0, "how": "estimated"}})
    folder.run(seed=2, seconds=140, cost={"flops": {"value": None, "how": "unavailable"}})

    cost = only_row(results_of(folder)).cost

    seconds, flops = cost["train_seconds"], cost["flops"]
    assert (seconds.mean, seconds.low, seconds.high, seconds.how) == (120, 100, 140, "measured")
    assert (flops.mean, flops.low, flops.high, flops.how) == (4, None, None, "estimated")


def test_costs_of_a_row_come_from_the_hardware_with_most_runs(folder: Any) -> None:
    folder.run(seed=1, seconds=100, hardware="b")
    folder.run(seed=2, seconds=120, hardware="b")
    folder.run(seed=3, seconds=1, hardware="a")

    results = results_of(folder)

    row = only_row(results)
    assert (row.hardware_id, row.cost["train_seconds"].mean, row.num_seeds) == ("b", 110, 3)
    assert any("2 kinds of hardware (a and b)" in warning for warning in results.warnings)


def test_a_models_domain_and_size_come_from_its_file(folder: Any) -> None:
    folder.model("small", "clinical", 33_000_000)
    folder.run()

    row = only_row(results_of(folder))

    assert (row.domain, row.backbone_parameters) == ("clinical", 33_000_000)


def test_without_a_file_the_size_comes_from_the_record(folder: Any) -> None:
    folder.run()

    row = only_row(results_of(folder))

    # 22,001,000 in total, 600 in the head, 400 in the adapter.
    assert (row.domain, row.backbone_parameters) == ("unknown", 22_000_000)


def test_a_baseline_has_no_domain_and_no_size(folder: Any) -> None:
    folder.run("none", "majority", 0)

    row = only_row(results_of(folder))

    assert (row.domain, row.backbone_parameters, row.options) == ("none", None, {})


def test_a_sealed_test_split_has_no_rows(folder: Any) -> None:
    folder.run()

    results = results_of(folder)

    assert {row.split for row in results.rows} == {"validation"}
    assert (results.study.test, results.study.times_opened) == ("sealed", 0)


def test_an_opened_test_split_has_rows_after_validation(folder: Any) -> None:
    folder.run(seed=1, value=0.8, test=0.7, opened=2)
    folder.run(seed=2, value=0.8, test=0.6, opened=2)

    results = results_of(folder)

    assert [(row.split, row.mean) for row in results.rows] == [("validation", 0.8), ("test", pytest.approx(0.65))]
    assert (results.study.test, results.study.times_opened) == ("opened", 2)


def test_the_front_is_drawn_among_runs_on_one_hardware(folder: Any) -> None:
    folder.run("small", value=0.70, arm=0.001, seconds=10, hardware="slow")
    folder.run("large", value=0.80, arm=0.001, seconds=5, hardware="slow")
    folder.run("huge", value=0.75, arm=0.001, seconds=8, hardware="fast")

    chances = {row.model: row.front_probability for row in results_of(folder).rows}

    assert chances == {"large": 1, "small": 0, "huge": 1}


def test_a_row_without_the_studys_cost_has_no_chance(folder: Any) -> None:
    folder.run(seconds=None)

    assert only_row(results_of(folder)).front_probability is None


def test_merged_studies_share_rows_and_join_their_names(new_study: Any) -> None:
    first, second = new_study("a", name="night"), new_study("b", name="day", seeds=[2])
    for study in (first, second):
        study.card()
    first.run(seed=1, value=0.8)
    second.run(seed=2, value=0.9)

    results = results_of(first, second)

    assert results.study.name == "night + day"
    assert only_row(results).per_seed == (0.8, 0.9)
    assert results.study.sha256 != results_of(first).study.sha256


def test_rows_of_different_builds_of_a_dataset_stand_apart(folder: Any) -> None:
    folder.run(seed=1)
    folder.run(seed=2, dataset="f" * 64)

    results = results_of(folder)

    assert [row.options["dataset"] for row in results.rows] in (["dddddddd", "ffffffff"], ["ffffffff", "dddddddd"])
    assert any("different builds of its dataset" in warning for warning in results.warnings)


def test_a_filter_keeps_the_runs_that_match(folder: Any) -> None:
    folder.run("small", seed=1)
    folder.run("large", seed=1)

    results = results_of(folder, model="large", seed="1")

    assert only_row(results).model == "large"
    assert any("model = large, seed = 1" in warning for warning in results.warnings)


def test_an_unknown_filter_is_refused_with_a_suggestion(folder: Any) -> None:
    with pytest.raises(BadInput, match="did you mean 'method'"):
        results_of(folder, methd="lora")


def test_a_filter_that_matches_nothing_is_refused(folder: Any) -> None:
    folder.run()

    with pytest.raises(BadInput, match="no run matches"):
        results_of(folder, model="tiny")


def test_a_study_without_runs_has_no_rows_and_no_recommendation(folder: Any) -> None:
    results = results_of(folder)

    assert (results.rows, results.failures, results.recommendations) == ((), (), ())


def test_results_are_read_back_from_their_json(folder: Any) -> None:
    folder.run(seed=1, test=0.7, options={"rank": 8}, train={"subset": {"per_class": 16}})
    folder.failed("small", "full", 1, "failed", "bug", "index out of range")
    results = results_of(folder)

    text = results.to_json()

    assert parse_json(Results, text, "results.json") == results
    assert json.loads(text)["schema"] == 1
