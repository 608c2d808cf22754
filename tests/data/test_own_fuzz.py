"""Damaged files: the only exception is a BadInput of one line, and it never holds text of the file."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinpeft.data.own import import_task
from clinpeft.errors import BadInput
from clinpeft.frozen import parse
from clinpeft.spec import TaskChoice

# All text of patients is Greek here, so that a single letter of it in a message is a leak.
CSV = "pt,text,label\n" + "".join(f'Παν{row // 2},"Βήχας, ""{row}"" μέρες",{row % 2}\n' for row in range(16))
JSONL = "".join(f'{{"pt": "Παν{row}", "text": "Βήχας {row}", "label": {row % 2}}}\n' for row in range(16))
SPANS = "".join(
    f'{{"pt": "Π{row}", "text": "Βήχας {row}", "spans": [{{"start": 0, "end": 5, "label": "x"}}]}}\n'
    for row in range(16)
)
CONLL = "".join(f"-DOCSTART- (Π{row})\n\nΒήχας\tB-x\nμέρες\tI-x\n{row}\tO\n\n" for row in range(16))
PUBTATOR = "".join(
    f"{row}|t|Βήχας {row}.\n{row}|a|Μέρες {row}.\n{row}\t0\t5\tΒήχας\tx\tC1\n{row}\tr\tC1\tC1\n\n" for row in range(16)
)
FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "t.csv": (CSV, {"kind": "classification", "subject": "pt"}),
    "t.jsonl": (JSONL, {"kind": "classification", "subject": "pt"}),
    "s.jsonl": (SPANS, {"kind": "entities", "subject": "pt"}),
    "t.conll": (CONLL, {"kind": "entities"}),
    "t.pubtator": (PUBTATOR, {"kind": "entities"}),
}
PIECES = [
    "",
    ",",
    '"',
    "\n",
    ";",
    "\t",
    "\0",
    "\ufeff",
    "|",
    "{",
    "}",
    "[",
    "]",
    "-",
    "9",
    " ",
    "\\ud800",
    "NaN",
    "\r",
    "Ω",
]
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.sampled_from(PIECES)), min_size=1, max_size=4)


def import_damaged(name: str, data: bytes) -> None:
    _, keys = FILES[name]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        choice = parse(TaskChoice, {"name": "own", "files": {"data": name}, **keys}, "study")
        try:
            import_task(choice, Path(folder), Path(folder) / "out")
        except BadInput as refusal:
            assert not re.search(r"[\u0370-\u03ff\u1f00-\u1fff\n]", str(refusal))
            assert refusal.__cause__ is None and (refusal.__context__ is None or refusal.__suppress_context__)
            assert [path.name for path in Path(folder).iterdir()] == [name]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=DAMAGE)
def test_damaged_text_is_read_or_refused_without_a_letter_of_it(
    name: str, damage: list[tuple[float, int, str]]
) -> None:
    text = FILES[name][0]
    for where, cut, piece in damage:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + cut :]

    import_damaged(name, text.encode())


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 0.999), byte=st.integers(0, 255))
def test_a_damaged_byte_is_read_or_refused_without_a_letter_of_the_text(name: str, where: float, byte: int) -> None:
    data = bytearray(FILES[name][0].encode())
    data[int(where * len(data))] = byte

    import_damaged(name, bytes(data))


@pytest.mark.parametrize("name", FILES)
def test_the_files_before_damage_are_good(name: str, tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        (tmp_path / name).write_text(FILES[name][0])
        choice = parse(TaskChoice, {"name": "own", "files": {"data": name}, **FILES[name][1]}, "study")
        assert import_task(choice, Path(), Path("out")).card.counts["train"].examples > 0
