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
