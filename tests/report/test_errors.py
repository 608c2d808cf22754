"""Wrong answers with their texts go into a private file beside the dataset, and nowhere else."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clinpeft import api

CANARY = "zqxcanary"


def wrong_ones(small: Any) -> int:
    """Wrong answers of the run that is handed over, counted from its predictions."""
    (choice,) = [item.choice for item in api.recommendations(small.out)]
    record = small.store.record(choice.run)
    rows = pq.read_table(small.store.run_folder(choice.run) / "predictions-validation.parquet").to_pylist()
    edge = record.thresholds["yes"]
    return sum((row["score_1"] >= edge) != (row["label"] == "yes") for row in rows)


def test_the_file_holds_texts_and_the_report_does_not(trained: Any, clinpeft: Any) -> None:
    said = clinpeft("report", trained.out, "--show-errors", "3")
    path = trained.out / "datasets" / "errors-outcome.txt"
    text = path.read_text()

    assert said.code == 0
    assert str(path) in said.err
    assert text.startswith("PATIENTS' TEXT")
    assert text.count(CANARY) == min(3, wrong_ones(trained)) > 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for written in (trained.out / "report").iterdir():
        assert CANARY.encode() not in written.read_bytes()
    assert CANARY not in said.out + said.err


def test_without_being_asked_for_there_is_none(trained: Any, clinpeft: Any) -> None:
    assert clinpeft("report", trained.out).code == 0
    assert list(trained.out.rglob("errors-*")) == []


def test_the_study_stays_sound(trained: Any, clinpeft: Any) -> None:
    api.errors(trained.out, most=2)

    assert clinpeft("verify", trained.out).code == 0


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_dataset_that_is_gone_or_another_is_refused(trained: Any, clinpeft: Any, is_gone: bool) -> None:
    folder: Path = trained.out / "datasets" / "outcome"
    if is_gone:
        folder.rename(trained.folder / "elsewhere")
    else:
        card = folder / "card.json"
        fingerprint = trained.datasets()["outcome"].card.fingerprint
        card.write_text(card.read_text().replace(fingerprint, "0" * 64))
    before = {path: path.stat().st_mtime_ns for path in trained.out.glob("report/*")}
    said = clinpeft("report", trained.out, "--show-errors", "3")

    assert said.code == 2
    assert list(trained.folder.rglob("errors-*")) == []
    assert {path: path.stat().st_mtime_ns for path in trained.out.glob("report/*")} == before, "no report either"
