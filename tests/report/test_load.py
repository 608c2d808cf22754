"""Reading a study's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clinpeft.errors import BadInput
from clinpeft.report.load import load


def test_a_folder_is_read_with_its_runs_cards_and_models(folder: Any) -> None:
    record = folder.run(test=0.7)
    folder.model("small", "clinical")

    (study,) = load([folder.root])

    assert [run.record for run in study.runs] == [record]
    assert study.runs[0].test is not None
    assert study.cards["ward-notes"].metric == "auroc"
    assert study.models["small"].domain == "clinical"


def test_a_run_that_lies_in_two_folders_counts_once_in_the_first(new_study: Any) -> None:
    first, second = new_study("a"), new_study("b")
    shared = first.run(seed=1)
    second.run(seed=1)
    own = second.run(seed=2)

    loaded = load([first.root, second.root])

    assert [[run.record.run for run in study.runs] for study in loaded] == [[shared.run], [own.run]]


def test_a_run_that_has_not_ended_is_passed_over(folder: Any) -> None:
    (folder.root / "runs" / "0123456789abcdef").mkdir(parents=True)

    assert load([folder.root])[0].runs == ()


def test_only_selection_rules_that_differ_from_todays_are_kept(folder: Any) -> None:
    folder.write_study("study-00000000.yaml", select={"rule": "best"})
    folder.write_study("study-11111111.yaml", seeds=[1])

    assert [select.rule for select in load([folder.root])[0].earlier_selects] == ["best"]


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no study"):
        load([tmp_path])


def test_no_folder_is_refused() -> None:
    with pytest.raises(BadInput, match="no study's folder is named"):
        load([])


def test_a_record_under_another_runs_id_is_refused(folder: Any) -> None:
    record = folder.run()
    (folder.root / "runs" / record.run).rename(folder.root / "runs" / "0123456789abcdef")

    with pytest.raises(BadInput, match="is the record of another run"):
        load([folder.root])


def test_a_broken_record_is_refused_by_file_and_key(folder: Any) -> None:
    record = folder.run()
    path = folder.root / "runs" / record.run / "record.json"
    path.write_text(path.read_text().replace('"status":"success"', '"status":"splendid"'))

    with pytest.raises(BadInput, match=r"record\.json.*'status'"):
        load([folder.root])
