"""MTS-Dialog's CSV files: rows read as they stand, broken ones refused by line without their text."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mts_dialog import FILES, MtsDialog, read_dialogues

HEADER = "ID,section_header,section_text,dialogue\n"


def raw_with(folder: Path, rows: str) -> RawFiles:
    (folder / FILES["train"]).write_bytes((HEADER + rows).encode())
    return RawFiles(folder)


def refusal(folder: Path, rows: str) -> str:
    with pytest.raises(BadInput) as caught:
        list(read_dialogues(raw_with(folder, rows), "train"))
    assert "secret" not in str(caught.value)
    return str(caught.value)


def test_a_conversation_of_several_lines_is_one_row_with_plain_line_ends(tmp_path: Path) -> None:
    rows = '0,CC,note,"Doctor: Pain?\r\nPatient: ""Yes"", here. "\r\n1,ROS,note,Doctor: And?\r\n'
    first, second = read_dialogues(raw_with(tmp_path, rows), "train")
    assert (first.id, first.section_header, first.text) == ("0", "CC", 'Doctor: Pain?\nPatient: "Yes", here.')
    assert (second.id, second.line) == ("1", 4)


def test_the_text_of_a_conversation_is_not_printed(tmp_path: Path) -> None:
    (row,) = read_dialogues(raw_with(tmp_path, "0,CC,note,Doctor: secret\n"), "train")
    assert "secret" not in repr(row)


def test_a_row_with_a_cell_too_many_is_refused_by_its_line(tmp_path: Path) -> None:
    assert "line 3" in refusal(tmp_path, "0,CC,a,b\n1,CC,secret,one,two\n")


@pytest.mark.parametrize(
    ("row", "column"), [(" ,CC,a,secret", "ID"), ("1,,a,secret", "section_header"), ("1,CC,secret, ", "dialogue")]
)
def test_an_empty_cell_is_refused_by_line_and_column(tmp_path: Path, row: str, column: str) -> None:
    message = refusal(tmp_path, f"0,CC,a,b\n{row}\n")
    assert "line 3" in message and f"column {column}" in message


def test_an_id_given_twice_is_refused(tmp_path: Path) -> None:
    assert "line 3, column ID: repeats an ID" in refusal(tmp_path, "0,CC,a,b\n0,CC,a,secret\n")


def test_the_source_is_found_when_its_three_files_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "mts_dialog"
    folder.mkdir()
    for name in FILES.values():
        assert MtsDialog().find(tmp_path) is None
        (folder / name).touch()
    assert MtsDialog().find(tmp_path) == folder
