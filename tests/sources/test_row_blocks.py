"""Rows in blocks: the same rows and the same refusals as row by row, for any file and any size of block."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources._row_blocks import PlainRows, Unread
from clinpeft.sources._tables import Table
from clinpeft.sources.base import RawFiles

HEADER = b'"A","B","C"\n'
ROWS = b'1,"x, ""y""\nz",\n2,,""\n3,"d",e\n'
SECRET = b"ZQX-CANARY-7"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raw")


def table_of(folder: Path, content: bytes, *columns: str) -> Table:
    path = folder / "T.csv"
    path.write_bytes(content)
    return Table(RawFiles(folder), path, columns or ("C", "B"), ("A", "B", "C"))


def by_blocks(table: Table, block_bytes: int) -> list[tuple[int, list[str]]]:
    return [row for block in table.blocks(block_bytes) for row in block.select(np.arange(len(block)))]


def outcome(read) -> object:
    try:
        return read()
    except BadInput as error:
        return str(error)


@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
def test_blocks_hold_the_rows_with_their_lines_and_the_wanted_columns_in_order(folder, block_bytes):
    rows = by_blocks(table_of(folder, HEADER + ROWS), block_bytes)
    assert rows == [(2, ["", 'x, "y"\nz']), (4, ["", ""]), (5, ["e", "d"])]


def test_plain_rows_are_all_found_without_the_csv_module():
    rows = PlainRows(Unread(ROWS, 12, 2), iter(()), ["A", "B", "C"], {"B": 1}, longest=1000)
    (block,) = rows
    assert [block.cell("B", row) for row in range(3)] == ['x, "y"\nz', "", "d"]
    assert block.is_empty("B").tolist() == [False, True, False]
    assert block.equals("B", "d").tolist() == [False, False, True]
    assert rows.left == Unread(b"", 12 + len(ROWS), 6)


def test_an_empty_pair_of_quotes_is_empty_and_two_letters_are_not(folder):
    (block,) = table_of(folder, HEADER + b'1,"",b\n2,ab,c\n').blocks()
    assert block.is_empty("B").tolist() == [True, False]


@pytest.mark.parametrize(
    "odd", [b"\n", b'1,a"b,c\n', b"1,2\n", b"1,2,3\r\n", b"A,B,D\n", "1,é,\u2028\n".encode(), b'1," ",3']
)
def test_what_is_unusual_is_read_or_refused_as_row_by_row(folder, odd):
    table = table_of(folder, HEADER + ROWS + odd)
    assert outcome(lambda: by_blocks(table, 16)) == outcome(lambda: list(table))


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (b'1,2,"' + SECRET, "line 6: is no valid CSV"),
        (b'1,2,"a"' + SECRET + b"\n", "line 6: is no valid CSV"),
        (b"1,2\n" + ROWS + b"1,2,3,4\n", "lines 6, 11: do not have the 3 fields"),
        (HEADER + ROWS, "line 6: repeats the header"),
        (b"1,2,\x00\n", f"byte {len(HEADER + ROWS) + 4}: is a NUL byte"),
        (b"1,2,caf\xe9\n", f"byte {len(HEADER + ROWS) + 7}: is not UTF-8"),
    ],
)
@pytest.mark.parametrize("block_bytes", [5, 1 << 20])
def test_a_damaged_table_is_refused_with_file_line_and_rule(folder, broken, rule, block_bytes):
    table = table_of(folder, HEADER + ROWS + broken)
    message = outcome(lambda: by_blocks(table, block_bytes))
    assert isinstance(message, str)
    assert message.startswith(f"T.csv, {rule}")
    assert SECRET.decode() not in message


def test_a_gzip_file_cut_short_is_refused(folder):
    table = table_of(folder, gzip.compress(HEADER + ROWS * 2000)[:-4])
    assert str(outcome(lambda: by_blocks(table, 100))).startswith("T.csv: the compressed file ends too early")


def test_a_field_without_end_is_refused_before_it_fills_the_memory(folder):
    table = table_of(folder, gzip.compress(HEADER + b'1,2,"' + b"x\n" * (9 << 20)))
    assert "field larger than field limit" in str(outcome(lambda: by_blocks(table, 1 << 20)))


def test_reading_may_stop_after_any_block(folder):
    table = table_of(folder, HEADER + ROWS * 100)
    assert 0 < len(next(iter(table.blocks(50)))) < 300


def test_numbers_are_bare_digits_and_all_else_is_minus_one(folder):
    written = [b"0", b"172335", b"9" * 18, b"9" * 19, b"", b'"7"', b"7.0", b"-7", b"1a", b" 1"]
    (block,) = table_of(folder, HEADER + b"".join(b"1,%s,\n" % cell for cell in written)).blocks()
    assert block.numbers("B").tolist() == [0, 172335, 10**18 - 1, -1, -1, -1, -1, -1, -1, -1]


cells = st.sampled_from([b"", b"1", b"A", b'"A"', b'"a,b"', b'"a\nb"', b'"a""b"', b'""', b'""""', "é".encode()])
plain_row = st.tuples(cells, cells, cells).map(b",".join)
noise = st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b" ", b"\xff", b"\0", HEADER])


@given(
    st.lists(plain_row | plain_row | noise, max_size=8), st.sampled_from([b"\n", b"\n\n", b"\r\n"]), st.integers(1, 40)
)
@example([b'1,2,"a'], b"\n", 3)
def test_any_file_gives_the_same_rows_or_is_refused_both_ways(folder, lines, line_end, block_bytes):
    table = table_of(folder, HEADER + line_end.join(lines))
    by_row, in_blocks = outcome(lambda: list(table)), outcome(lambda: by_blocks(table, block_bytes))
    if isinstance(by_row, str):
        assert isinstance(in_blocks, str)
    else:
        assert in_blocks == by_row
