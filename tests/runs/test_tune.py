"""A search gives every method as many trials over one range, looks at validation only, and goes on where it was."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.runs.tune import TRIAL_SEED
from clinpeft.spec import Study

if TYPE_CHECKING:
    from tests.conftest import Small

    from clinpeft.record import RunRecord

LOW, HIGH = 1e-4, 1e-1
TUNE = {"trials": 4, "learning_rate": [LOW, HIGH]}
METHODS = ["bitfit", {"name": "lora", "r": 4}]


@pytest.fixture
def tuned(small: Small) -> Small:
    """A study whose search is over."""
    small.write(methods=METHODS, seeds=[1, 2], tune=TUNE)
    small.run()
    return small


def trials(study: Small) -> dict[str, list[RunRecord]]:
    """The trials by method."""
    found: dict[str, list[RunRecord]] = {}
    for record in study.store.records():
        if record.role == "trial":
            found.setdefault(record.spec.method.name, []).append(record)
    return found


def finals(study: Small) -> list[RunRecord]:
    return [record for record in study.store.records() if record.role == "final"]


def test_every_method_has_as_many_trials_within_one_range(tuned: Small) -> None:
    found = trials(tuned)

    assert {method: len(records) for method, records in found.items()} == {"bitfit": 4, "lora": 4}
    rates = [record.spec.train.learning_rate for records in found.values() for record in records]
    assert all(isinstance(rate, float) and LOW <= rate <= HIGH for rate in rates)
    assert {record.spec.seed for records in found.values() for record in records} == {TRIAL_SEED}


def test_the_first_trial_is_the_default_and_random_ones_are_the_same_for_every_method(tuned: Small) -> None:
    rates = {
        method: {record.spec.train.learning_rate for record in records} for method, records in trials(tuned).items()
    }

    assert 4e-3 in rates["bitfit"]
    assert 3e-3 in rates["lora"]
    # Two of four trials are drawn at random (the default is the first of them).
    assert rates["bitfit"] & rates["lora"]


def test_an_option_that_the_method_lists_is_searched_too_and_stays_a_whole_number(tuned: Small) -> None:
    ranks = [record.spec.method.options["r"] for record in trials(tuned)["lora"]]

    assert len(set(ranks)) > 1
    assert all(isinstance(rank, int) and 4 <= rank <= 64 for rank in ranks)


def test_a_search_of_rates_alone_leaves_every_option_as_it_is(small: Small) -> None:
    small.write(methods=METHODS, seeds=[1], tune={**TUNE, "options": False})
    small.run()

    assert {record.spec.method.options["r"] for record in trials(small)["lora"]} == {4}
    assert len({record.spec.train.learning_rate for record in trials(small)["lora"]}) == 4


def test_default_and_tuned_runs_are_both_kept_for_every_seed(tuned: Small) -> None:
    for method, default in (("bitfit", 4e-3), ("lora", 3e-3)):
        runs = [record for record in finals(tuned) if record.spec.method.name == method]
        best = max(trials(tuned)[method], key=lambda record: record.scores["auroc"].value or -math.inf)
        rates = Counter(record.spec.train.learning_rate for record in runs)

        assert rates[default] == 2
        assert rates[best.spec.train.learning_rate] == 2
        assert {record.spec.seed for record in runs} == {1, 2}


def test_the_report_marks_what_the_search_chose_and_leaves_trials_out(tuned: Small) -> None:
    rows = [row for row in api.results(tuned.out).rows if row.metric == "auroc"]
    chosen = {row.method: row.options["learning_rate"] for row in rows if row.tuned}

    for method, records in trials(tuned).items():
        best = max(records, key=lambda record: record.scores["auroc"].value or -math.inf)
        assert chosen[method] == best.spec.train.learning_rate
    shown = {run for row in rows for run in row.runs}
    assert not shown & {record.run for records in trials(tuned).values() for record in records}


def test_a_trial_keeps_no_weights(tuned: Small) -> None:
    kept = {path.parent.name for path in tuned.out.glob("runs/*/adapter")}

    assert kept == {record.run for record in finals(tuned)}


def test_a_finished_search_trains_nothing_more(tuned: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinpeft.runs.work.execute", lambda *_: pytest.fail("a run was trained"))

    assert tuned.run().num_trained == 0


def test_a_search_that_was_cut_off_comes_to_the_same_runs(tuned: Small) -> None:
    before = tuned.store.runs()
    lost = [record.run for record in (*trials(tuned)["lora"][:2], finals(tuned)[0])]
    for run in lost:
        tuned.store.forget(run)
    tuned.run()

    assert tuned.store.runs() == before


def test_the_test_labels_of_a_trial_are_never_opened(small: Small) -> None:
    small.write(methods=["bitfit"], tune=TUNE, test="open")
    small.run()

    opened = {path.parent.name for path in small.out.glob("runs/*/test.json")}
    assert opened == {record.run for record in small.store.records() if record.role != "trial"}


def test_only_one_method_is_searched_when_only_one_is_asked_for(small: Small) -> None:
    small.write(methods=METHODS, tune=TUNE)
    small.run(only={"method": "bitfit"})

    assert set(trials(small)) == {"bitfit"}


def test_with_folds_a_trial_is_one_run_a_fold_and_all_folds_get_the_same_values(small: Small) -> None:
    small.write(methods=["bitfit"], tune={"trials": 2}, task={"split": {"folds": 2}}, seeds=[1])
    small.run()
    rates = Counter(record.spec.train.learning_rate for record in trials(small)["bitfit"])

    assert rates == dict.fromkeys(rates, 2)
    assert all(
        len({r.spec.fold for r in finals(small) if r.spec.train.learning_rate == rate}) == 2
        for rate in {r.spec.train.learning_rate for r in finals(small)}
    )


def test_a_seed_kept_for_trials_is_refused_before_anything_is_trained(small: Small) -> None:
    small.write(methods=["bitfit"], tune=TUNE, seeds=[TRIAL_SEED])

    with pytest.raises(BadInput, match="is the seed of trials; use another"):
        small.run()
    assert not small.out.exists()


def test_a_range_upside_down_is_refused() -> None:
    text = "name: s\ntasks: [rqe]\nmodels: [minilm-l6]\nmethods: [lora]\ntune: {trials: 2, learning_rate: [1e-2, 1e-4]}"

    with pytest.raises(BadInput, match="low must be below high"):
        Study.from_yaml(text)
