"""MTSamples: the table of Kaggle and its merged form give the same notes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mtsamples import MERGED, TABLE, Note, read_notes

HEADER = ",description,medical_specialty,sample_name,transcription,keywords\n"
KNEE, EAR = "PREOPERATIVE DIAGNOSIS: , Torn meniscus.", "SUBJECTIVE:, The left ear has hurt since Monday."


def table(folder: Path, rows: str) -> RawFiles:
    (folder / TABLE).write_text(HEADER + rows)
    return RawFiles(folder)


def merged(folder: Path, *lines: str) -> RawFiles:
    (folder / MERGED).write_bytes(gzip.compress("\n".join(lines).encode()))
    return RawFiles(folder)


def test_a_note_listed_twice_becomes_one_with_both_specialties(tmp_path: Path) -> None:
    rows = f'0,d, Surgery,Knee,"{KNEE}",k\n1,d, ENT,Ear,"{EAR}",k\n2,d, Orthopedic,Knee,"{KNEE}",k\n'
    assert read_notes(table(tmp_path, rows)) == [
        Note((1, 3), ("Orthopedic", "Surgery"), KNEE),
        Note((2,), ("ENT",), EAR),
    ]


def test_missing_and_header_only_transcriptions_are_left_out_but_keep_their_row_number(tmp_path: Path) -> None:
    rows = f'0,d,ENT,n,,k\n1,d,ENT,n,NA,k\n2,d,ENT,n,"SUBJECTIVE:,",k\n3,d,ENT,n,"{EAR}",k\n'
    assert read_notes(table(tmp_path, rows)) == [Note((4,), ("ENT",), EAR)]


def test_the_merged_file_gives_the_same_note_as_the_table(tmp_path: Path) -> None:
    line = json.dumps({"note_ids": [1, 3], "specialties": ["Surgery", "Orthopedic"], "text": KNEE, "keywords": []})
    assert read_notes(merged(tmp_path, line, "")) == [Note((1, 3), ("Orthopedic", "Surgery"), KNEE)]


def test_a_row_without_specialty_is_refused_by_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="line 3, column medical_specialty: is empty") as caught:
        read_notes(table(tmp_path, f'0,d,ENT,n,"{EAR}",k\n1,d, ,n,secret,k\n'))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "secret',
        '{"text": "secret"}',
        '["secret"]',
        '{"note_ids": 7, "specialties": ["ENT"], "text": "secret"}',
        '{"note_ids": [7], "specialties": ["ENT"], "text": null}',
        '{"note_ids": [7], "specialties": [], "text": "secret"}',
        '{"note_ids": [7], "specialties": [1], "text": "secret"}',
    ],
)
def test_a_broken_line_of_the_merged_file_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    whole = json.dumps({"note_ids": [1], "specialties": ["ENT"], "text": EAR})
    with pytest.raises(BadInput, match=r"mtsamples\.jsonl\.gz: line 2") as caught:
        read_notes(merged(tmp_path, whole, line))
    assert "secret" not in str(caught.value)


def test_a_note_does_not_print_its_text() -> None:
    assert "meniscus" not in repr(Note((1,), ("Surgery",), KNEE))
