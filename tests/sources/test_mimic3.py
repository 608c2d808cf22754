"""MIMIC-III tables: what is read whatever it is called or packed in, and what is refused."""

import gzip
import hashlib
import shutil
from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import TABLES, Mimic3, open_table

HEADER = '"ROW_ID","SUBJECT_ID","HADM_ID","SEQ_NUM","ICD9_CODE"\n'
ROWS = '1,109,172335,1,"40301"\n2,109,172335.0,2,"0389"\n3,110,,,\n'
SECRET = "ZQX-CANARY-7"


def write(folder: Path, content: str | bytes = HEADER + ROWS, name: str = "DIAGNOSES_ICD.csv") -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder / name


def read(folder: Path, *columns: str, allow_modified: bool = False) -> list[tuple[int, list[str]]]:
    wanted = columns or ("HADM_ID", "ICD9_CODE")
    return list(open_table(RawFiles(folder), "DIAGNOSES_ICD", wanted, allow_modified=allow_modified))


def refusal(folder: Path, *columns: str) -> str:
    with pytest.raises(BadInput) as caught:
        read(folder, *columns)
    message = str(caught.value)
    assert SECRET not in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "name", ["DIAGNOSES_ICD.csv", "DIAGNOSES_ICD.csv.gz", "diagnoses_icd.csv", "Diagnoses_ICD.CSV.gz"]
)
def test_a_table_is_found_whatever_its_case_and_packing(tmp_path, name):
    write(tmp_path, name=name)
    assert read(tmp_path) == [(2, ["172335", "40301"]), (3, ["172335.0", "0389"]), (4, ["", ""])]


def test_the_packed_table_is_read_when_both_are_there(tmp_path):
    write(tmp_path, name="DIAGNOSES_ICD.csv.gz")
    write(tmp_path, HEADER)
    assert len(read(tmp_path)) == 3


def test_two_names_that_differ_by_case_only_are_refused(tmp_path):
    write(tmp_path)
    write(tmp_path, name="diagnoses_icd.csv")
    assert "DIAGNOSES_ICD.csv and diagnoses_icd.csv" in refusal(tmp_path)


def test_columns_are_matched_in_lower_case_and_any_order(tmp_path):
    write(tmp_path, "icd9_code,hadm_id,row_id,subject_id,seq_num\n0389,5,1,2,3\n")
    assert read(tmp_path) == [(2, ["5", "0389"])]


def test_a_plain_file_named_gz_and_a_packed_one_named_csv_are_read(tmp_path):
    (tmp_path / "DIAGNOSES_ICD.csv.gz").write_text(HEADER + ROWS)
    assert len(read(tmp_path)) == 3
    (tmp_path / "DIAGNOSES_ICD.csv.gz").unlink()
    (tmp_path / "DIAGNOSES_ICD.csv").write_bytes(gzip.compress((HEADER + ROWS).encode()))
    assert len(read(tmp_path)) == 3


def test_quotes_commas_and_line_ends_inside_a_field_survive(tmp_path):
    write(tmp_path, HEADER + '1,1,1,1,"a ""b"", c\r\nd\n\ne\x0cf"\n2,2,2,2,""\n')
    assert read(tmp_path, "ICD9_CODE") == [(2, ['a "b", c\r\nd\n\ne\x0cf']), (6, [""])]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    write(tmp_path, "\ufeff" + HEADER + ROWS)
    assert len(read(tmp_path, "ROW_ID")) == 3


def test_a_note_larger_than_what_the_csv_module_takes_by_default_is_read(tmp_path):
    write(tmp_path, HEADER + f'1,1,1,1,"{"x" * 3_000_000}"\n')
    assert len(read(tmp_path, "ICD9_CODE")[0][1][0]) == 3_000_000


def test_rows_across_the_reading_chunks_are_whole(tmp_path):
    rows = "".join(f'{row},{row},{row},1,"{row % 7}é"\n' for row in range(90_000))
    write(tmp_path, HEADER + rows)
    assert [cells[0] for _, cells in read(tmp_path)] == [str(row) for row in range(90_000)]


def test_ids_written_as_floats_are_whole_numbers_and_others_refused(tmp_path):
    write(tmp_path)
    table = open_table(RawFiles(tmp_path), "DIAGNOSES_ICD", ("HADM_ID",))
    assert table.number("172335.0", "HADM_ID", 2) == table.number("172335", "HADM_ID", 2) == 172335
    assert table.number("", "HADM_ID", 2) is None
    for cell in (f"17 {SECRET}", "17.5", "1e5", "²", "9" * 5000):
        with pytest.raises(BadInput, match=r"DIAGNOSES_ICD.csv, line 2, column HADM_ID: is no whole number") as caught:
            table.number(cell, "HADM_ID", 2)
        assert SECRET not in str(caught.value)
    with pytest.raises(BadInput, match="column HADM_ID: is empty"):
        table.needed("", "HADM_ID", 2)


def test_a_missing_table_is_named(tmp_path):
    assert "holds no table DIAGNOSES_ICD" in refusal(tmp_path)


def test_mimic4_files_are_recognised(tmp_path):
    (tmp_path / "hosp").mkdir()
    assert "MIMIC-IV" in refusal(tmp_path)


def test_a_table_of_mimic4_is_told_by_its_columns(tmp_path):
    write(tmp_path, f"subject_id,hadm_id,seq_num,icd_code,icd_version\n1,2,3,{SECRET},10\n", "diagnoses_icd.csv.gz")
    assert "diagnoses_icd.csv.gz, line 1: is a table of MIMIC-IV; give MIMIC-III 1.4" in refusal(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    write(tmp_path, "ROW_ID,SUBJECT_ID,SEQ_NUM\n1,2,3\n")
    assert "line 1: lacks columns: HADM_ID, ICD9_CODE" in refusal(tmp_path)


def test_an_unknown_column_is_named_with_what_may_be_meant(tmp_path):
    write(tmp_path, "ROW_ID,SUBJECT_ID,HADMID,SEQ_NUM,ICD9_CODE\n1,2,3,4,5\n")
    message = refusal(tmp_path, "ICD9_CODE")
    assert "does not have: HADMID" in message
    assert "did you mean 'HADM_ID'?" in message


def test_a_table_without_its_header_is_refused_and_its_first_row_not_quoted(tmp_path):
    write(tmp_path, f'1,{SECRET},172335,1,"{SECRET}"\n')
    assert "line 1: is not the header of this table; the release has ROW_ID, " in refusal(tmp_path)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_another_delimiter_is_told(tmp_path, delimiter):
    write(tmp_path, (HEADER + ROWS).replace(",", delimiter).replace('"', ""))
    assert f"line 1: delimiter looks like {delimiter!r}" in refusal(tmp_path)


def test_a_column_named_twice_is_refused(tmp_path):
    write(tmp_path, "ROW_ID,HADM_ID,hadm_id,ICD9_CODE\n1,2,3,4\n")
    assert "names columns twice: HADM_ID" in refusal(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    write(tmp_path, "")
    assert "not even a header" in refusal(tmp_path)


@pytest.mark.parametrize("row", ["1,2,3,4\n", f"1,2,3,4,5,{SECRET}\n", f"{SECRET}\n"])
def test_a_row_of_another_width_is_refused_with_its_line(tmp_path, row):
    write(tmp_path, HEADER + ROWS + row + ROWS)
    assert "DIAGNOSES_ICD.csv, line 5: do not have the 5 fields" in refusal(tmp_path)


def test_many_rows_of_another_width_are_told_by_the_first_twenty_and_a_count(tmp_path):
    write(tmp_path, HEADER + "1,2\n" * 30)
    message = refusal(tmp_path)
    assert message.startswith("DIAGNOSES_ICD.csv, lines 2, 3, 4, ")
    assert "20, 21, … (30 in all): do not have the 5 fields of the header" in message


@pytest.mark.parametrize("row", [f'1,2,3,4,"{SECRET}', f'1,2,3,4,"a"{SECRET}"\n', f"1,2,3,4,{SECRET}\rx\n"])
def test_broken_quoting_is_refused_without_the_cell(tmp_path, row):
    write(tmp_path, HEADER + row)
    assert "is no valid CSV" in refusal(tmp_path)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path):
    write(tmp_path, HEADER.encode() + b'1,2,3,4,"' + b"x" * (18 << 20), "DIAGNOSES_ICD.csv.gz")
    assert "starts a line of over" in refusal(tmp_path)


def test_a_field_without_end_is_refused_before_it_fills_the_memory(tmp_path):
    write(tmp_path, HEADER.encode() + b'1,2,3,4,"' + b"x\n" * (9 << 20), "DIAGNOSES_ICD.csv.gz")
    assert "field larger than field limit" in refusal(tmp_path)


@pytest.mark.parametrize("share", [0.5, 0.999])
def test_a_gzip_file_cut_short_is_refused(tmp_path, share):
    path = write(tmp_path, HEADER + ROWS * 2000, "DIAGNOSES_ICD.csv.gz")
    data = path.read_bytes()
    path.write_bytes(data[: min(int(len(data) * share), len(data) - 4)])
    assert refusal(tmp_path).startswith("DIAGNOSES_ICD.csv.gz: the compressed file ends too early")


def test_a_gzip_file_without_its_last_four_bytes_is_refused(tmp_path):
    path = write(tmp_path, HEADER + ROWS, "DIAGNOSES_ICD.csv.gz")
    path.write_bytes(path.read_bytes()[:-4])
    assert "ends too early" in refusal(tmp_path)


@pytest.mark.parametrize("position", [-6, 40])
def test_a_flipped_bit_in_a_gzip_file_is_refused(tmp_path, position):
    path = write(tmp_path, HEADER + ROWS, "DIAGNOSES_ICD.csv.gz")
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(bytes(data))
    assert refusal(tmp_path).startswith("DIAGNOSES_ICD.csv.gz: the compressed file")


def test_a_file_appended_to_itself_is_refused_by_its_second_header(tmp_path):
    path = write(tmp_path, HEADER + ROWS, "DIAGNOSES_ICD.csv.gz")
    path.write_bytes(path.read_bytes() * 2)
    assert "line 5: repeats the header" in refusal(tmp_path)


def test_bytes_that_are_no_utf8_are_refused_with_their_offset(tmp_path):
    start = (HEADER + ROWS).encode()
    write(tmp_path, start + b'4,1,1,1,"caf\xe9"\n')
    assert f"DIAGNOSES_ICD.csv, byte {len(start) + 12}: is not UTF-8" in refusal(tmp_path)


def test_a_nul_is_refused_with_its_offset(tmp_path):
    start = (HEADER + ROWS).encode()
    write(tmp_path, start + b'4,1,1,1,"\x00"\n')
    assert f"byte {len(start) + 9}: is a NUL byte" in refusal(tmp_path)


def test_a_table_must_have_the_checksum_of_the_release_unless_accepted(tmp_path):
    path = write(tmp_path)
    other = hashlib.sha256(b"other").hexdigest()
    (tmp_path / "SHA256SUMS.txt").write_text(f"{other}  DIAGNOSES_ICD.csv\n{other}  D_ITEMS.csv.gz\n")
    assert "differs from its checksum in SHA256SUMS.txt" in refusal(tmp_path)
    assert len(read(tmp_path, allow_modified=True)) == 3
    (tmp_path / "SHA256SUMS.txt").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  DIAGNOSES_ICD.csv\n")
    assert len(read(tmp_path)) == 3


def test_a_table_renamed_to_small_letters_must_have_the_checksum_too(tmp_path):
    write(tmp_path, name="diagnoses_icd.csv")
    (tmp_path / "SHA256SUMS.txt").write_text(f"{hashlib.sha256(b'other').hexdigest()}  DIAGNOSES_ICD.csv\n")
    assert "differs from its checksum in SHA256SUMS.txt" in refusal(tmp_path)


def test_the_folder_is_found_as_downloaded_and_not_confused_with_mimic4(tmp_path):
    release = tmp_path / "mimiciii" / "1.4"
    release.mkdir(parents=True)
    (release / "admissions.csv.gz").touch()
    (release / "NOTEEVENTS.csv.gz").touch()
    assert Mimic3().find(tmp_path) == release
    hosp = tmp_path / "mimiciv" / "hosp"
    hosp.mkdir(parents=True)
    shutil.copy(release / "admissions.csv.gz", hosp)
    (hosp / "patients.csv.gz").touch()
    assert Mimic3().find(tmp_path / "mimiciv") is None
    assert Mimic3().find(hosp) is None


def test_every_known_table_starts_with_a_row_number():
    assert {columns[0] for columns in TABLES.values()} == {"ROW_ID"}
