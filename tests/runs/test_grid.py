"""Which runs a study comes to, and what makes a run another run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clinpeft.errors import BadInput
from clinpeft.runs.find import find
from clinpeft.runs.grid import Plan, PlannedRun, may_fit, only, plan
from clinpeft.spec import Study

if TYPE_CHECKING:
    from tests.conftest import Small


def planned(small: Small, **changes: Any) -> Plan:
    small.write(**changes)
    return plan(find(Study.read(small.file), small.folder, (), small.out))


def ids(small: Small, **changes: Any) -> list[str]:
    return [run.run for run in planned(small, **changes).runs]


def run_of(small: Small, method: str, **changes: Any) -> PlannedRun:
    return next(run for run in planned(small, **changes).runs if run.spec.method.name == method)


def test_baselines_come_first_then_every_model_method_and_seed(small: Small) -> None:
    runs = planned(small, baselines=["majority", "tfidf-logistic"], seeds=[3, 1]).runs

    assert [(run.role, run.spec.model, run.spec.method.name, run.spec.seed) for run in runs] == [
        ("baseline", "none", "majority", 3),
        ("baseline", "none", "tfidf-logistic", 3),
        ("final", "tiny", "head-only", 3),
        ("final", "tiny", "head-only", 1),
        ("final", "tiny", "bitfit", 3),
        ("final", "tiny", "bitfit", 1),
    ]


def test_with_folds_every_configuration_has_a_run_for_each(small: Small) -> None:
    runs = planned(small, task={"split": {"folds": 3}}, methods=["head-only"], seeds=[1, 2]).runs

    assert [(run.spec.method.name, run.spec.seed, run.spec.fold) for run in runs] == [
        *(("majority", 1, fold) for fold in range(3)),
        *(("head-only", seed, fold) for seed in (1, 2) for fold in range(3)),
    ]
    assert len({run.run for run in runs}) == len(runs)


def test_a_run_writes_out_every_default(small: Small) -> None:
    spec = run_of(small, "lora", methods=["lora"]).spec

    assert set(spec.method.options) == {"r", "alpha", "dropout", "projections"}
    assert spec.train.weight_decay == 0.01


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({"methods": ["head-only"]}, 1e-3),
        ({"methods": ["head-only"], "train": {"learning_rate": 0.25}}, 0.25),
        ({"methods": [{"name": "head-only", "learning_rate": 0.5}]}, 0.5),
        ({"methods": [{"name": "head-only", "learning_rate": 0.5}], "train": {"learning_rate": 0.25}}, 0.5),
    ],
)
def test_a_rate_is_the_methods_default_or_the_studys_or_the_choices_own(
    small: Small, changes: dict[str, Any], rate: float
) -> None:
    assert run_of(small, "head-only", **changes).spec.train.learning_rate == rate


def test_run_ids_do_not_depend_on_threads_grouping_or_where_things_lie(small: Small, tmp_path: Path) -> None:
    before = ids(small)
    moved = small.moved_to(tmp_path / "elsewhere")

    assert ids(small=moved) == before
    assert ids(moved, train={"threads": 7, "group": "off"}, keep="none", question="another") == before
    study = Study.read(moved.file)
    again = plan(find(study, moved.folder, (), moved.folder / "another-out"))
    assert [run.run for run in again.runs] == before


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [2]},
        {"train": {"epochs": 2}},
        {"train": {"learning_rate": 1e-4}},
        {"train": {"subset": {"total": 10}}},
        {"methods": [{"name": "lora", "r": 4}]},
        {"methods": [{"name": "lora", "learning_rate": 1e-4}]},
        {"task": {"label_separator": ";"}},
        {"task": {"split": {"folds": 0, "seed": 5}}},
    ],
    ids=str,
)
def test_an_edited_item_is_another_run(small: Small, changes: dict[str, Any]) -> None:
    before = run_of(small, "lora", methods=["lora"]).run

    assert run_of(small, "lora", **{"methods": ["lora"], **changes}).run != before


def test_other_notes_or_other_weights_make_another_run(small: Small, tmp_path: Path) -> None:
    before = ids(small)
    small.write_notes(63)
    other_notes = ids(small)
    real = (small.folder / "tiny").resolve()
    (small.folder / "tiny").unlink()
    shutil.copytree(real, small.folder / "tiny")
    with (small.folder / "tiny" / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    other_weights = ids(small)

    assert set(before).isdisjoint(other_notes)
    assert other_weights[0] == other_notes[0], "a baseline uses no weights"
    assert set(other_weights[1:]).isdisjoint(other_notes)


def test_a_baseline_depends_on_its_training_examples_only(small: Small) -> None:
    before = run_of(small, "majority").run

    assert run_of(small, "majority", train={"epochs": 9, "learning_rate": 0.1}).run == before
    assert run_of(small, "majority", train={"subset": {"total": 9}}).run != before


def test_only_keeps_the_runs_that_fit_every_word(small: Small) -> None:
    plan = planned(small, seeds=[1, 2])

    assert [(run.spec.method.name, run.spec.seed) for run in only(plan, {"model": "tiny", "seed": "2"})] == [
        ("head-only", 2),
        ("bitfit", 2),
    ]
    assert [run.spec.method.name for run in only(plan, {"method": "majority", "task": "outcome"})] == ["majority"]


@pytest.mark.parametrize(("word", "rule"), [("colour", "is not a key of a run"), ("method", "no run of the study")])
def test_only_refuses_another_key_and_what_fits_no_run(small: Small, word: str, rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        only(planned(small), {word: "red"})


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, True),
        ({"task": "outcome", "model": "tiny", "method": "bitfit", "seed": "1", "fold": "3"}, True),
        ({"model": "none", "method": "majority"}, True),
        ({"task": "rqe"}, False),
        ({"method": "bitfit", "seed": "2"}, False),
    ],
    ids=str,
)
def test_whether_a_run_can_fit_is_known_from_the_studys_names(
    small: Small, wanted: dict[str, str], expected: bool
) -> None:
    assert may_fit(Study.read(small.file), wanted) is expected
