"""Limits that the study does not state leave a line in its journal, and no other trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import EnvironmentStop
from clinpeft.runs.journal import Journal
from clinpeft.runs.late_limits import limits_of, note_limits
from clinpeft.spec import Select


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr("clinpeft.runs.test_labels.getpass.getuser", lambda: "ada")
    return Journal(tmp_path / "journal.jsonl")


def test_who_gave_which_limits_is_noted_once(tmp_path: Path, journal: Journal) -> None:
    for _ in range(2):
        note_limits(tmp_path, Select(), {"train_seconds": 60, "peak_host_bytes": 8e9})

    (event,) = journal.events()
    assert (event.event, event.run, event.worker) == (
        "limits_changed",
        None,
        "ada: peak_host_bytes=8e+09 train_seconds=60",
    )
    assert journal.path.stat().st_mode & 0o077 == 0


def test_limits_that_stand_in_the_study_are_not_noted(tmp_path: Path, journal: Journal) -> None:
    select = Select(limits={"train_seconds": 60, "flops": 1e12})
    note_limits(tmp_path, select, {})
    note_limits(tmp_path, select, {"train_seconds": 60})
    assert not journal.path.exists()

    note_limits(tmp_path, select, {"train_seconds": 50, "flops": 1e12})
    assert limits_of(journal.notes("limits_changed")) == [("train_seconds", 50)]


def test_a_limit_on_the_memory_of_a_run_is_none_of_these(tmp_path: Path, journal: Journal) -> None:
    journal.append("limits_changed", "a1b2", worker="vm:1")

    assert limits_of(journal.notes("limits_changed")) == []


def test_where_nothing_can_be_noted_they_are_not_used(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentStop):
        note_limits(tmp_path / "gone", Select(), {"train_seconds": 60})
