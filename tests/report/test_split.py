"""One table cut by time and by chance: what is lost on later patients stands in the report."""

from __future__ import annotations

import json
from math import sqrt
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from clinpeft import api
from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.render import write_report
from clinpeft.report.tables import Estimate
from clinpeft.report.view_base import View
from clinpeft.report.views import views

if TYPE_CHECKING:
    from tests.conftest import Small

CHANCE = {"label": "outcome", "split.seed": 0}
TIME = CHANCE | {"split.time": "day"}


@pytest.fixture
def both(new_study: Any) -> Any:
    """Two tasks of one file, one by time, with two configurations each; a third configuration has but one."""

    def make(late: dict[str, Any] = TIME, **card: Any) -> Any:
        study = new_study(tasks=["by-time", "by-chance"])
        study.card("by-time", options=late, **card)
        study.card("by-chance", options=CHANCE)
        for task, value in (("by-time", 0.7), ("by-chance", 0.8)):
            study.run("none", "majority", 0, value=0.5, arm=0.0, task=task)
            study.run("small", "lora", 1, value=value, test=value - 0.05, arm=0.03, task=task)
        study.run("large", "lora", 1, value=0.9, task="by-time")
        return study

    return make


def shown(study: Any) -> View | None:
    loaded = load([study.root])
    return next((view for view in views(loaded, aggregate(loaded)) if view.name == "split"), None)


def test_every_configuration_that_both_have_shows_its_drop(both: Any) -> None:
    view = shown(both())
    assert view is not None
    validation, test = view.tables

    assert [row[:2] for row in validation.rows] == [("none", "most frequent class"), ("small", "lora")]
    late, chance, drop = validation.rows[1][2:]
    assert late == Estimate(0.7, pytest.approx(0.67), pytest.approx(0.73))
    assert chance == Estimate(0.8, pytest.approx(0.77), pytest.approx(0.83))
    arm = sqrt(2) * 0.03
    assert drop == Estimate(pytest.approx(0.1), pytest.approx(0.1 - arm), pytest.approx(0.1 + arm))
    assert [row[2].value for row in test.rows] == [pytest.approx(0.65)]
    assert [row[4].value for row in test.rows] == [pytest.approx(0.1)]


def test_a_sealed_test_split_shows_validation_alone(new_study: Any) -> None:
    study = new_study(tasks=["by-time", "by-chance"])
    for task, options in (("by-time", TIME), ("by-chance", CHANCE)):
        study.card(task, options=options)
        study.run(task=task)
    view = shown(study)

    assert view is not None
    assert [table.caption for table in view.tables] == [
        "by-time (by time) and by-chance (by chance): auroc, validation"
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"late": CHANCE},
        {"late": TIME | {"label": "readmitted"}},
        {"sources": [{"name": "t", "release": None, "files": [{"path": "n.csv", "bytes": 9, "sha256": "b" * 64}]}]},
        {"mode": "paper"},
    ],
    ids=["both by chance", "another label", "another file", "another mode"],
)
def test_tasks_that_differ_in_more_than_the_split_are_not_set_side_by_side(both: Any, other: dict[str, Any]) -> None:
    assert shown(both(**other)) is None


def test_a_loss_drops_upwards(new_study: Any) -> None:
    study = new_study(tasks=["by-time", "by-chance"], select={"metric": "log-loss"})
    for task, options, value in (("by-time", TIME, 0.6), ("by-chance", CHANCE, 0.4)):
        study.card(task, options=options, metric="log-loss")
        study.run(task=task, scores={"log-loss": {"value": value, "low": value, "high": value, "num_subjects": 90}})
    view = shown(study)

    assert view is not None
    assert view.tables[0].rows[0][4] == Estimate(pytest.approx(0.2), pytest.approx(0.2), pytest.approx(0.2))


@pytest.fixture
def built_twice(new_study: Any) -> Any:
    """Two studies of one registered task, its datasets by time and by chance; of each dataset its own score."""

    def make(late: str = "mimic4-mortality", rank: tuple[int, ...] = (8,), **card: Any) -> list[Any]:
        studies = []
        for folder, task, value, options, read in (
            ("late", late, 0.7, {"split": "anchor_year_group"}, "ab"),
            ("chance", "mimic4-mortality", 0.8, {}, "a"),
        ):
            study = new_study(folder, tasks=[task])
            files = [{"path": f"{name}.csv", "bytes": 9, "sha256": name * 64} for name in read]
            split = {"method": "user" if options else "hash", "by": "subject", "shared_subjects": 0}
            plain: dict[str, Any] = {"options": {"text": "admission", **options}, "split": split}
            plain["sources"] = [{"name": "mimic4", "release": None, "files": files}]
            study.card(task, fingerprint=read[-1] * 64, **plain | (card if folder == "chance" else {}))
            for number in rank:
                at = value - number / 100
                study.run(task=task, value=at, test=at, dataset=read[-1] * 64, options={"r": number})
            studies.append(study)
        return studies

    return make


def shown_of_both(studies: list[Any]) -> View | None:
    loaded = load([study.root for study in studies])
    return next((view for view in views(loaded, aggregate(loaded)) if view.name == "split"), None)


@pytest.mark.parametrize("is_swapped", [False, True])
def test_one_registered_task_built_both_ways_shows_it_whichever_study_comes_first(
    built_twice: Any, is_swapped: bool
) -> None:
    studies = built_twice()
    view = shown_of_both(studies[::-1] if is_swapped else studies)

    assert view is not None
    assert [table.name for table in view.tables] == ["split-mimic4-mortality-validation", "split-mimic4-mortality-test"]
    (row,) = view.tables[1].rows
    assert row[:2] == ("small", "lora")
    assert [estimate.value for estimate in row[2:]] == [pytest.approx(value) for value in (0.62, 0.72, 0.1)]


def test_configurations_of_one_name_are_paired_by_their_options_across_the_two(built_twice: Any) -> None:
    view = shown_of_both(built_twice(rank=(4, 16)))

    assert view is not None
    assert {row[1]: row[4].value for row in view.tables[0].rows} == {
        "lora (r 4)": pytest.approx(0.1),
        "lora (r 16)": pytest.approx(0.1),
    }


@pytest.mark.parametrize(
    "other",
    [
        {"late": "mimic4-length-of-stay"},
        {"options": {"text": "full"}},
        {"version": 2},
        {"sources": [{"name": "m", "release": None, "files": [{"path": "a", "bytes": 9, "sha256": "c" * 64}]}]},
    ],
    ids=["another task", "another text", "another version", "other files"],
)
def test_other_datasets_of_a_registered_task_are_not_set_side_by_side(built_twice: Any, other: dict[str, Any]) -> None:
    assert shown_of_both(built_twice(**other)) is None


def test_either_study_alone_shows_nothing_of_it(built_twice: Any) -> None:
    assert [shown(study) for study in built_twice()] == [None, None]


def test_the_page_shows_it(both: Any) -> None:
    study = both()
    text = write_report([study.root], study.root / "report").read_text(encoding="utf-8")

    assert "By time and by chance" in text
    assert "by-time (by time) and by-chance (by chance): auroc, test" in text


def test_a_study_of_ones_own_table_by_both_splits_shows_it(small: Small) -> None:
    rows = (small.folder / "notes.csv").read_text().splitlines()
    days = ["year", *(f"{2008 + 3 * (place // 20)} - {2010 + 3 * (place // 20)}" for place in range(len(rows) - 1))]
    (small.folder / "notes.csv").write_text("\n".join(",".join(pair) for pair in zip(rows, days, strict=True)) + "\n")
    small.write()
    plain = yaml.safe_load(small.file.read_text())
    (task,) = plain["tasks"]
    plain["tasks"] = [
        task | {"name": "late", "split": task["split"] | {"time": "year"}},
        task | {"name": "chance"},
    ]
    plain |= {"test": "open", "methods": ["head-only"], "baselines": ["majority"]}
    small.file.write_text(json.dumps(plain))
    assert small.run().num_failed == 0
    (view,) = (view for view in api.views(small.out) if view.name == "split")

    assert [table.name for table in view.tables] == ["split-late-validation", "split-late-test"]
    assert [row[:2] for row in view.tables[1].rows] == [("none", "most frequent class"), ("tiny", "head-only")]
    newest = {example.time.year for example in small.datasets()["late"].examples("test") if example.time}
    assert newest == {2014}, "the last of three groups of years"
