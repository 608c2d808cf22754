from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.tabular import Table, read_table, table_suffix

CANARY = "Zqx"
"""Stands in every cell that an error might quote."""


def table(folder: Path, name: str, content: bytes | str) -> Table:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(RawFiles(folder), folder / name)


def refused(folder: Path, name: str, content: bytes | str) -> str:
    """The message of a refusal, after a check that it is one line and quotes no cell."""
    with pytest.raises(BadInput) as caught:
        table(folder, name, content)
    message = str(caught.value)
    assert "\n" not in message
    assert CANARY.casefold() not in message.casefold()
    return message


def test_strings_that_look_like_something_else_stay_strings(tmp_path: Path) -> None:
    read = table(tmp_path, "t.csv", "id,label,text\n0012345,NA,None\n12345678901234567,null,nan\n")

    assert read.ids("id", "id") == ["0012345", "12345678901234567"]
    assert read.words("label", "label") == ["NA", "null"]
    assert read.texts("text", "text") == ["None", "nan"]


def test_a_quoted_note_keeps_its_line_breaks_commas_and_quotes(tmp_path: Path) -> None:
    read = table(tmp_path, "t.csv", 'id,text\r\n1,"line one\r\nline ""two"", end"\r\n2,he said "ok" twice\r\n')

    assert read.texts("text", "text") == ['line one\r\nline "two", end', 'he said "ok" twice']
    assert read.numbers == (2, 3)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert table(tmp_path, "t.csv", b"\xef\xbb\xbfid,text\n1,a\n").columns == ("id", "text")
    assert table(tmp_path, "t.jsonl", b'\xef\xbb\xbf{"id": "1"}\n').columns == ("id",)


def test_gzip_is_recognised_by_content(tmp_path: Path) -> None:
    packed = gzip.compress(b"id,text\n1,a\n")

    assert len(table(tmp_path, "t.csv.gz", packed)) == 1
    assert len(table(tmp_path, "t.csv", packed)) == 1
    assert len(table(tmp_path, "u.csv.gz", b"id,text\n1,a\n")) == 1


def test_tab_separated_files_use_tabs(tmp_path: Path) -> None:
    assert table(tmp_path, "t.tsv", "id\ttext\n1\ta, b\n").texts("text", "text") == ["a, b"]


def test_blank_lines_between_rows_are_passed_over_and_keep_the_numbering(tmp_path: Path) -> None:
    assert table(tmp_path, "t.csv", "id,text\n\n1,a\n\n2,b\n").numbers == (3, 5)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("extra-fields.csv", f"id,text\n1,{CANARY},x\n2,a\n3,{CANARY},x\n", "rows 2, 4: have more cells than the"),
        ("trailing-comma.csv", f"id,text\n1,{CANARY},\n2,{CANARY},\n", "rows 2, 3: ends with an extra delimiter"),
        ("fewer-fields.csv", f"id,text,label\n1,{CANARY}\n", "row 2: has fewer cells than the header's 3"),
        ("semicolon.csv", f"id;text\n1;{CANARY}\n", "delimiter looks like ';'"),
        ("tabs.csv", f"id\ttext\n1\t{CANARY}\n", "delimiter looks like '\\t'"),
        ("commas.tsv", f"id,text\n1,{CANARY}\n", "delimiter looks like ','"),
        ("open-quote.csv", f'id,text\n1,"{CANARY}\n2,b\n', "quotes do not match"),
        ("stray-quote.csv", f'id,text\n1,"{CANARY}" and more\n', "row 2: its quotes do not match"),
        ("nul.csv", f"id,text\n1,{CANARY}\0\n", "line 2: holds a NUL character"),
        ("latin-1.csv", f"id,text\n1,{CANARY} caf\xe9\n".encode("latin-1"), "line 2, byte 17: is not UTF-8"),
        ("surrogate.csv", b"id,text\n1,Zqx\n2,Zqx\xed\xa0\x80", "line 3, byte 19: is not UTF-8"),
        ("utf-16.csv", f"id,text\n1,{CANARY}\n".encode("utf-16"), "is UTF-16"),
        ("empty.csv", "", "is empty"),
        ("blank.csv", " \n\n", "is empty"),
        ("header-only.csv", "id,text\n", "has a header and no rows"),
        ("twice-named.csv", f"id,id,text\n1,2,{CANARY}\n", "names a column twice"),
        ("no-header.csv", f"1,{CANARY} {'word ' * 60}\n2,b\n", "holds text longer than a column's name"),
        ("appended.csv", f"id,text\n1,{CANARY}\nid,text\n2,b\n", "row 3: repeats the header"),
        ("appended.csv.gz", gzip.compress(f"id,text\n1,{CANARY}\n".encode()) * 2, "row 3: repeats the header"),
        ("cut.csv.gz", gzip.compress(f"id,text\n1,{CANARY}\n".encode())[:-4], "cut short or damaged"),
        ("rotten.csv.gz", gzip.compress(b"id,text\n1,a\n")[:-8] + bytes(8), "damaged gzip file"),
        ("cut.jsonl", f'{{"text": "{CANARY}"}}\n{{"text": "{CANARY}', "line 2: is no JSON"),
        ("twice-keyed.jsonl", f'{{"text": "a", "text": "{CANARY}"}}\n', "line 1: gives a key twice"),
        ("deep-twice.jsonl", f'{{"x": {{"y": 1, "y": 2}}, "text": "{CANARY}"}}\n', "line 1: gives a key twice"),
        ("nan.jsonl", f'{{"text": "{CANARY}", "x": NaN}}\n', "line 1: holds NaN or Infinity"),
        ("infinity.jsonl", f'{{"text": "{CANARY}", "x": -Infinity}}\n', "line 1: holds NaN or Infinity"),
        ("huge.jsonl", f'{{"text": "{CANARY}", "x": 1e999}}\n', "line 1: holds a number too large"),
        ("half-pair.jsonl", f'{{"text": "ok"}}\n{{"text": "{CANARY} \\ud800"}}\n', "line 2: holds half a surrogate"),
        ("comment.jsonl", f'# {CANARY}\n{{"text": "a"}}\n', "line 1: is no JSON"),
        ("array.jsonl", f'["{CANARY}"]\n', "line 1: is no JSON object"),
        ("deep.jsonl", "[" * 200_000, "line 1: is no JSON"),
        ("digits.jsonl", '{"id": ' + "9" * 5_000 + "}\n", "line 1: is no JSON"),
        ("notes.xlsx", CANARY, "is no table that clinpeft reads"),
        ("broken.parquet", f"PAR1{CANARY}PAR1", "is no Parquet file, or damaged"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_place_and_without_its_text(
    tmp_path: Path, name: str, content: bytes | str, rule: str
) -> None:
    message = refused(tmp_path, name, content)

    assert message.startswith(name)
    assert rule in message


def test_the_first_twenty_broken_rows_are_listed_with_a_count(tmp_path: Path) -> None:
    message = refused(tmp_path, "t.csv", "id,text\n1,good\n" + f"1,{CANARY},x\n" * 1_000)

    assert "rows 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, … (1,000 in all)" in message


def test_a_field_above_ten_megabytes_is_refused(tmp_path: Path) -> None:
    rule = "row 2: holds a field of more than 10,000,000 characters"
    assert rule in refused(tmp_path, "t.csv", "id,text\n1," + CANARY * 4_000_000 + "\n")


def test_the_field_limit_of_other_readers_is_put_back(tmp_path: Path) -> None:
    import csv

    before = csv.field_size_limit()
    table(tmp_path, "t.csv", "id,text\n1,a\n")
    assert csv.field_size_limit() == before


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    assert "unpacks to more than 100,000,000 bytes" in refused(
        tmp_path, "t.csv.gz", gzip.compress(bytes(110_000_000), 1)
    )


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, rule in (("none.csv", "is not there"), ("folder.csv", "is a folder"), ("none.parquet", "is not there")):
        with pytest.raises(BadInput, match=rule):
            read_table(RawFiles(tmp_path), tmp_path / name)


@pytest.mark.parametrize("wanted", ["text", "Text ", "TEXT", "te xt"])
def test_a_column_that_differs_by_case_or_blanks_is_suggested(tmp_path: Path, wanted: str) -> None:
    read = table(tmp_path, "t.csv", "id,\u00a0Text\n1,a\n")

    with pytest.raises(BadInput, match=r"is not in the table; did you mean '.*Text' \(case and blanks count\)\?"):
        read.texts(wanted, "text")


def cells(folder: Path, values: list[Any]) -> Table:
    return table(folder, "t.jsonl", "".join(json.dumps({"c": value}) + "\n" for value in values))


@pytest.mark.parametrize(
    ("values", "read", "rule"),
    [
        ([0, 1, "1", 0], lambda t: t.words("c", "label"), "line 3: has another type than the other rows"),
        (["a", 1.5], lambda t: t.words("c", "label"), "line 2: has another type"),
        ([1.0, 2.0], lambda t: t.ids("c", "id"), "lines 1, 2: is no text and no whole number"),
        ([True, 1, True], lambda t: t.words("c", "label"), "line 2: has another type"),
        ([["a"], ["b"]], lambda t: t.words("c", "label"), "is no text and no whole number"),
        (["a", "", "b"], lambda t: t.ids("c", "id"), "line 2: is blank"),
        (["a", " \t", None], lambda t: t.ids("c", "id"), "lines 2, 3: is blank"),
        ([CANARY, 3], lambda t: t.texts("c", "text"), "line 2: is no text"),
        ([CANARY, ["x"]], lambda t: t.texts("c", "text"), "line 2: is no text"),
        ([CANARY, None, ""], lambda t: t.texts("c", "text"), "lines 2, 3: has no text"),
        ([CANARY, "a\0b"], lambda t: t.texts("c", "text"), "line 2: holds a NUL character"),
        ([CANARY, "a\0b"], lambda t: t.ids("c", "id"), "line 2: holds a NUL character"),
        (["2024-05-31", CANARY], lambda t: t.dates("c", "time"), "line 2: is no date"),
        ([[CANARY], CANARY], lambda t: t.lists("c", "tags"), "line 2: is no list"),
    ],
)
def test_cells_of_a_wrong_type_are_refused_with_their_lines(
    tmp_path: Path, values: list[Any], read: Callable[[Table], Any], rule: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read(cells(tmp_path, values))

    assert str(caught.value).startswith("t.jsonl: column 'c': line")
    assert rule in str(caught.value)
    assert CANARY not in str(caught.value)


def test_whole_numbers_and_truth_values_become_words(tmp_path: Path) -> None:
    assert cells(tmp_path, [12345678901234567, 7]).ids("c", "id") == ["12345678901234567", "7"]
    assert cells(tmp_path, [True, False, None]).words("c", "label") == ["true", "false", None]


def test_a_year_or_years_stand_for_their_first_day(tmp_path: Path) -> None:
    read = cells(tmp_path, ["2008 - 2010", "2011-2013", "2015", "2024-05-31"]).dates("c", "time")

    assert [day.isoformat() for day in read] == ["2008-01-01", "2011-01-01", "2015-01-01", "2024-05-31"]


def test_line_separators_inside_a_json_string_end_no_line(tmp_path: Path) -> None:
    read = table(tmp_path, "t.jsonl", '{"text": "a\u2028b\u0085c"}\r\n\r\n{"text": "d"}')

    assert read.texts("text", "text") == ["a\u2028b\u0085c", "d"]
    assert read.numbers == (1, 3)


def parquet(folder: Path, **columns: pa.Array) -> Table:
    pq.write_table(pa.table(columns), folder / "t.parquet")
    return read_table(RawFiles(folder), folder / "t.parquet")


def test_parquet_keeps_types_that_name_something(tmp_path: Path) -> None:
    read = parquet(
        tmp_path,
        number=pa.array([10_000_032, None], pa.int64()),
        word=pa.array(["0012", "NA"]).dictionary_encode(),
        truth=pa.array([True, False]),
        day=pa.array([19_000, 19_001], pa.date32()),
        moment=pa.array([0, 86_400_000], pa.timestamp("ms")),
    )

    assert read.words("number", "id") == ["10000032", None]
    assert read.words("word", "label") == ["0012", "NA"]
    assert read.words("truth", "label") == ["true", "false"]
    assert [day.isoformat() for day in read.dates("day", "time")] == ["2022-01-08", "2022-01-09"]
    assert [day.isoformat() for day in read.dates("moment", "time")] == ["1970-01-01", "1970-01-02"]


def test_parquet_decimals_are_no_ids_and_nested_columns_no_text(tmp_path: Path) -> None:
    read = parquet(tmp_path, id=pa.array([10_000_032.0, 1.0]), text=pa.array([["a"], ["b"]]))

    with pytest.raises(BadInput, match="is no text and no whole number"):
        read.ids("id", "subject")
    with pytest.raises(BadInput, match="is no text"):
        read.texts("text", "text")


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [CANARY] * 100}), tmp_path / "whole.parquet")
    assert "damaged" in refused(tmp_path, "cut.parquet", (tmp_path / "whole.parquet").read_bytes()[:-20])


def test_suffixes_are_found_below_gz() -> None:
    assert table_suffix(Path("a/B.CSV.gz")) == ".csv"
    assert table_suffix(Path("a.conll")) is None
