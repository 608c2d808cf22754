"""Entities beyond a model's length are counted and told."""

from __future__ import annotations

from typing import Any

from clinpeft.report.configurations import configurations, selected
from clinpeft.report.load import load
from clinpeft.report.render import write_report
from clinpeft.report.truncation import entities_lost

COUNTS = {
    split: {"examples": 100, "subjects": 100, "documents": 100, "labels": {"drug": 150, "dose": 50}}
    for split in ("train", "validation")
}
SCORES = {"entity-f1": {"value": 0.9, "low": 0.8, "high": 0.95, "num_subjects": 40}}


def entities(folder: Any, *labels: int) -> None:
    folder.card(kind="entities", labels=["drug", "dose"], positive=None, metric="entity-f1", counts=COUNTS)
    cut = {
        split: {"examples": 9, "labels": number} for split, number in zip(("train", "validation"), labels, strict=True)
    }
    folder.run(scores=SCORES, kind="entities", truncated=cut)


def found(folder: Any) -> list[tuple[str, dict[str, float]]]:
    return entities_lost(configurations(selected(load([folder.root]), {})))


def test_the_share_is_of_all_entities_of_the_split(folder: Any) -> None:
    entities(folder, 20, 2)

    assert found(folder) == [("512 word pieces; small", {"train": 0.1, "validation": 0.01})]
    page = write_report([folder.root], folder.root / "report").read_text()
    assert "which count as missed (512 word pieces; small): 10 % of train, 1 % of validation." in page


def test_nothing_is_told_where_nothing_was_lost_or_there_are_no_entities(folder: Any, new_study: Any) -> None:
    entities(folder, 0, 0)
    other = new_study("other")
    other.card()
    other.run(truncated={"train": {"examples": 9, "labels": 9}})

    assert found(folder) == []
    assert found(other) == []
