"""The journal survives a power cut at any moment, and says where it was damaged otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinpeft.errors import GateRefused
from clinpeft.runs.journal import Journal

RUN = "0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of three lines."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("planned", RUN)
    journal.append("started", RUN)
    journal.append("test_opened", worker="someone")
    return journal.path


def names(path: Path) -> list[str]:
    return [event.event for event in Journal(path).events()]


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Journal(tmp_path / "journal.jsonl").events() == []
    assert list(tmp_path.iterdir()) == []


def test_events_come_back_in_order_with_run_and_worker(path: Path) -> None:
    events = Journal(path).events()

    assert [(event.n, event.event, event.run, event.worker) for event in events] == [
        (0, "planned", RUN, None),
        (1, "started", RUN, None),
        (2, "test_opened", None, "someone"),
    ]


def test_a_line_is_appended_and_the_earlier_ones_stay_as_they_are(path: Path) -> None:
    before = path.read_bytes()
    Journal(path).append("noop")

    assert path.read_bytes().startswith(before)
    assert names(path) == ["planned", "started", "test_opened", "noop"]


def test_cut_at_every_byte_of_its_last_line_it_loads_and_goes_on_without_that_line(path: Path) -> None:
    whole = path.read_bytes()
    start_of_last = whole[:-1].rfind(b"\n") + 1

    for length in range(start_of_last, len(whole)):
        path.write_bytes(whole[:length])
        assert names(path) == ["planned", "started"], length
        Journal(path).append("finished", RUN)
        assert names(path) == ["planned", "started", "finished"], length


def test_zeros_after_the_last_line_as_a_file_system_leaves_them_are_dropped(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(100))
    Journal(path).append("noop")

    assert names(path) == ["planned", "started", "test_opened", "noop"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_changed_byte_in_a_whole_line_is_refused_with_its_number(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace(b'"time": "2', b'"time": "3')
    path.write_bytes(b"".join(lines))

    with pytest.raises(GateRefused, match=f"journal.jsonl: line {number} is damaged"):
        Journal(path).events()


def test_a_flipped_bit_anywhere_before_the_last_line_is_refused_with_the_number_of_its_line(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(whole[:-1].rfind(b"\n") + 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)

        number = whole.count(b"\n", 0, place) + 1
        with pytest.raises(GateRefused, match=f"journal.jsonl: line {number} is damaged"):
            Journal(path).events()


@pytest.mark.parametrize("broken", [b"\xff\xfe\n", b"{}\n", b"\n", b'{"n": 1, "event": "dreamt"}\n'])
def test_a_middle_line_that_is_no_event_is_refused_with_its_number(path: Path, broken: bytes) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + broken + lines[2])

    with pytest.raises(GateRefused, match="line 2 is damaged"):
        Journal(path).events()


def test_a_line_that_is_missing_or_stands_twice_is_noticed(path: Path) -> None:
    first, second, third = path.read_bytes().splitlines(keepends=True)

    for lines in ([first, third], [first, second, second, third], [second, first, third]):
        path.write_bytes(b"".join(lines))
        with pytest.raises(GateRefused, match=r"line [123] is damaged"):
            Journal(path).events()


def test_the_keys_of_a_line_are_those_of_the_schema(path: Path) -> None:
    line = json.loads(path.read_text().splitlines()[0])

    assert list(line) == ["n", "event", "run", "lease", "worker", "time", "crc32"]
