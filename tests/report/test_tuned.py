"""Which rows the report calls tuned: those that a search of today's study has chosen, once it is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import StudyFolder

from clinpeft.report.aggregate import aggregate, load

TRIAL = 2**32 - 1
RATES = {3e-4: 0.80, 3e-3: 0.90, 3e-2: 0.70}
"""Learning rates, and what a trial at each gave."""


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    """Three trials asked for, and final runs at two of their rates."""
    folder = StudyFolder(tmp_path / "study", tune={"trials": 3})
    for rate in (3e-4, 3e-3):
        folder.run(seed=1, train={"learning_rate": rate})
    return folder


def try_out(folder: StudyFolder, *rates: float, **more: Any) -> list[str]:
    return [
        folder.run(seed=TRIAL, value=RATES[rate], role="trial", train={"learning_rate": rate}, **more).run
        for rate in rates
    ]


def tuned(folder: StudyFolder, **only: str) -> list[Any]:
    rows = aggregate(load([folder.root]), only).rows
    return [row.options["learning_rate"] for row in rows if row.tuned]


def index(folder: StudyFolder, runs: list[str]) -> None:
    (folder.root / "index.csv").write_text("\n".join(["run,role", *(f"{run},trial" for run in runs)]) + "\n")


def test_the_best_trial_of_a_search_that_is_over(study: StudyFolder) -> None:
    try_out(study, *RATES)
    assert tuned(study) == [3e-3]


def test_a_search_that_is_not_over_has_chosen_nothing(study: StudyFolder) -> None:
    try_out(study, 3e-4, 3e-3)
    assert tuned(study) == []


def test_a_trial_that_the_study_no_longer_asks_for_is_passed_over(study: StudyFolder) -> None:
    """Its range was edited: the better trial is of the old one."""
    study.write_study("study.yaml", tune={"trials": 2})
    first, _, third = try_out(study, *RATES)
    index(study, [first, third])
    assert tuned(study) == [3e-4]


def test_a_trial_that_was_stopped_early_is_not_chosen_and_counts_as_one(study: StudyFolder) -> None:
    try_out(study, 3e-4, 3e-2)
    try_out(study, 3e-3, status="pruned")
    assert tuned(study) == [3e-4]


def test_two_sets_of_options_of_one_method_are_two_searches(study: StudyFolder) -> None:
    study.write_study("study.yaml", tune={"trials": 1, "options": False})
    for rank, rate in ((4, 3e-4), (8, 3e-3)):
        study.run(seed=1, train={"learning_rate": rate}, options={"r": rank})
        try_out(study, rate, options={"r": rank})
    assert sorted(tuned(study)) == [3e-4, 3e-3]


def test_options_that_are_searched_make_no_other_search(study: StudyFolder) -> None:
    study.write_study("study.yaml", tune={"trials": 2})
    for rank, rate in ((4, 3e-4), (8, 3e-3)):
        study.run(seed=1, train={"learning_rate": rate}, options={"r": rank})
        try_out(study, rate, options={"r": rank})
    assert tuned(study) == [3e-3]


def test_a_filter_by_seed_does_not_hide_the_search(study: StudyFolder) -> None:
    try_out(study, *RATES)
    assert tuned(study, seed="1") == [3e-3]
