"""What tells a label without reading stands in the report's data section, and among the warnings where it is much."""

from __future__ import annotations

from typing import Any

import pytest

from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.render import write_report


def probe(of: str, auroc: float | None, arm: float = 0.03) -> dict[str, Any]:
    low, high = (None, None) if auroc is None else (auroc - arm, auroc + arm)
    reason = "fewer than 100 examples to train on" if auroc is None else None
    return {"of": of, "auroc": auroc, "low": low, "high": high, "num_subjects": 90, "reason": reason}


@pytest.fixture
def told(folder: Any) -> Any:
    """A card that says what tells its labels, and one run."""
    named = {"label": "yes", "share": 0.8, "elsewhere": 0.1, "low": 0.6, "high": 0.8}

    def make(*probes: dict[str, Any], names: bool = False) -> Any:
        folder.card(probes={"told_by": list(probes), "named": [named] if names else []})
        folder.run()
        return folder

    return make


def warnings_of(folder: Any) -> str:
    return " ".join(aggregate(load([folder.root])).warnings)


def test_what_tells_the_label_is_warned_of(told: Any) -> None:
    text = warnings_of(told(probe("id", 0.91), probe("length", 0.55), probe("date", 0.72), names=True))

    assert (
        "ward-notes: the label can be told from the examples' ids (AUROC 0.91 [0.88, 0.94]) and their date (AUROC 0.72 "
        "[0.69, 0.75]) without reading a word" in text
    )
    assert "ward-notes: 80% of the texts of 'yes' hold these very words, and 10% of the others" in text


@pytest.mark.parametrize("auroc", [0.50, 0.67, None])
def test_what_chance_or_the_usual_lengths_bring_is_not(told: Any, auroc: float | None) -> None:
    assert "can be told" not in warnings_of(told(probe("length", auroc)))


def test_the_data_section_shows_every_probe(told: Any) -> None:
    folder = told(probe("id", 0.51), probe("length", None), names=True)
    text = write_report([folder.root], folder.root / "report").read_text(encoding="utf-8")

    assert "How well the label is told without reading" in text
    assert "id 0.510 [0.480, 0.540], " in text
    assert "fewer than 100 examples to train on" in text
    assert "an interval above 0.65 is a warning" in text
    assert "“yes” stands as words in 80 % of its own texts and in 10 % of the others" in text
