"""Whoever runs an edited study again is told what was edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clinpeft.runs.edits import edits
from clinpeft.spec import Study

if TYPE_CHECKING:
    from tests.conftest import Said, Small

STUDY: dict[str, Any] = {
    "name": "s",
    "tasks": ["rqe"],
    "models": ["minilm-l6"],
    "methods": ["lora", "bitfit"],
    "seeds": [1, 2],
}


def study(**changes: Any) -> Study:
    return Study.model_validate_json(json.dumps({**STUDY, **changes}))


def test_the_same_study_in_another_order_and_wording_is_not_edited() -> None:
    assert edits(study(), study(methods=["bitfit", "lora"], seeds=[2, 1], question="Which?")) == []


def test_added_removed_and_changed_items_are_named() -> None:
    assert edits(study(), study(methods=["lora", "ia3"], seeds=[1, 2, 3])) == [
        "methods.bitfit removed",
        "methods.ia3 added",
        "seeds.3 added",
    ]


def test_a_changed_value_is_told_with_the_old_one_and_the_new_one() -> None:
    now = study(methods=[{"name": "lora", "learning_rate": 0.001}, "bitfit"], train={"epochs": 3})

    assert edits(study(), now) == ["methods.lora.learning_rate added", "train.epochs: 5 → 3"]


def test_a_method_that_stands_twice_is_told_apart_by_its_options() -> None:
    twice = [{"name": "lora", "r": 4}, {"name": "lora", "r": 8}]

    assert edits(study(methods=twice), study(methods=[twice[0], {"name": "lora", "r": 16}])) == [
        "methods.lora r=8 removed",
        "methods.lora r=16 added",
    ]


def test_a_part_that_was_not_there_is_told_whole() -> None:
    assert edits(study(), study(budget={"hours": 2})) == [
        'budget: null → {"hours": 2.0, "money": null, "currency": null, "energy_kwh": null}'
    ]


def test_a_run_of_an_edited_study_says_what_was_edited(trained: Small, clinpeft: Callable[..., Said]) -> None:
    trained.write(methods=["head-only"], train={"epochs": 2})
    said = clinpeft("run", trained.file, "--out", trained.out).err
    again = clinpeft("run", trained.file, "--out", trained.out).err

    assert "the study was edited since it last ran: methods.bitfit removed; train.epochs: 1 → 2\n" in said
    assert "edited" not in again
