"""MIMIC-IV: two downloads found wherever they lie below one folder, and what is refused."""

import gzip
import hashlib
import shutil

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import Mimic3
from clinpeft.sources.mimic4 import MODULE_OF, TABLES, Mimic4, open_table

HEADER = "subject_id,hadm_id,seq_num,icd_code,icd_version\n"
ROWS = '1,20000001,1,I10,10\n1,20000001,2,"0389   ",9\n'


def put(folder, *names, content=HEADER + ROWS):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        data = content.encode()
        (folder / name).write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)


def read(root, table="diagnoses_icd", *, allow_modified=False):
    columns = ("hadm_id", "icd_code", "icd_version")
    return [cells for _, cells in open_table(RawFiles(root), table, columns, allow_modified=allow_modified)]


def refusal(root, table="diagnoses_icd"):
    with pytest.raises(BadInput) as caught:
        read(root, table)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("hosp", "note", "root"),
    [
        ("mimiciv/3.1/hosp", "mimic-iv-note/2.2/note", "."),
        ("physionet.org/files/mimiciv/3.1/hosp", "physionet.org/files/mimic-iv-note/2.2/note", "physionet.org/files"),
        ("mimic-iv-3.1/hosp", "mimic-iv-note-deidentified-free-text-clinical-notes-2.2/note", "."),
        ("mimic4/hosp", "mimic4/note", "mimic4"),
        ("both/HOSP", "both/Note", "both"),
        ("flat", "flat", "flat"),
    ],
)
def test_both_downloads_are_found_below_one_folder(tmp_path, hosp, note, root):
    put(tmp_path / hosp, "admissions.csv.gz", "DIAGNOSES_ICD.csv")
    put(tmp_path / note, "discharge.csv.gz")
    found = Mimic4().find(tmp_path)
    assert found == tmp_path / root
    assert read(found) == [["20000001", "I10", "10"], ["20000001", "0389   ", "9"]]


def test_links_to_the_downloads_are_followed(tmp_path):
    put(tmp_path / "far/mimiciv/hosp", "admissions.csv", "diagnoses_icd.csv")
    put(tmp_path / "away/note", "discharge.csv")
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "mimiciv").symlink_to(tmp_path / "far/mimiciv")
    (raw / "notes").symlink_to(tmp_path / "away")
    assert Mimic4().find(raw) == raw
    assert len(read(raw)) == 2


def test_mimic3_beside_it_is_neither_taken_for_it_nor_in_its_way(tmp_path):
    put(tmp_path / "mimiciii", "ADMISSIONS.csv.gz", "NOTEEVENTS.csv.gz", "DIAGNOSES_ICD.csv.gz", "ICUSTAYS.csv.gz")
    assert Mimic4().find(tmp_path) is None
    put(tmp_path / "mimiciv/hosp", "admissions.csv.gz", "diagnoses_icd.csv")
    put(tmp_path / "mimiciv/icu", "icustays.csv.gz")
    put(tmp_path / "mimiciv/note", "discharge.csv")
    assert Mimic4().find(tmp_path) == tmp_path / "mimiciv"
    assert Mimic3().find(tmp_path / "mimiciv") is None
    assert Mimic3().find(tmp_path / "mimiciv/hosp") is None


def test_a_folder_with_very_many_entries_is_not_gone_through(tmp_path):
    put(tmp_path / "images/hosp", "admissions.csv")
    for number in range(250):
        (tmp_path / "images" / f"p{number}").mkdir()
    assert Mimic4().find(tmp_path) is None


def test_two_releases_below_one_folder_are_refused(tmp_path):
    for version in ("2.2", "3.1"):
        put(tmp_path / f"mimiciv/{version}/hosp", "admissions.csv.gz")
    put(tmp_path / "note", "discharge.csv")
    assert "holds tables of 'hosp' in mimiciv/2.2/hosp and mimiciv/3.1/hosp; keep one release" in refusal(tmp_path)


def test_a_download_without_notes_says_where_they_are(tmp_path):
    put(tmp_path / "mimiciv/3.1/hosp", "admissions.csv.gz")
    assert Mimic4().find(tmp_path) == tmp_path
    assert "MIMIC-IV-Note is a download of its own" in refusal(tmp_path, "discharge")


@pytest.mark.parametrize("folder", ["mimic-iv-clinical-database-demo-2.2", "renamed"])
def test_the_demo_is_recognised_by_its_name_or_its_list_of_subjects(tmp_path, folder):
    put(tmp_path / folder / "hosp", "admissions.csv.gz")
    put(tmp_path / folder, "demo_subject_id.csv", content="subject_id\n1\n")
    assert "this release has no notes; the demo leaves them out" in refusal(tmp_path, "discharge")


def test_notes_without_the_hosp_tables_say_what_is_missing(tmp_path):
    put(tmp_path / "note", "discharge.csv.gz")
    assert "holds no table admissions (admissions.csv.gz or .csv); give the folder above both" in refusal(
        tmp_path, "admissions"
    )


def test_a_missing_table_is_named(tmp_path):
    put(tmp_path / "hosp", "admissions.csv.gz")
    assert "holds no table diagnoses_icd" in refusal(tmp_path)


def test_a_table_of_mimic3_is_told_by_its_row_number(tmp_path):
    put(tmp_path / "hosp", "admissions.csv")
    put(tmp_path / "hosp", "diagnoses_icd.csv.gz", content='"ROW_ID","SUBJECT_ID","HADM_ID","SEQ_NUM","ICD9_CODE"\n')
    assert "hosp/diagnoses_icd.csv.gz, line 1: is a table of MIMIC-III (it has ROW_ID)" in refusal(tmp_path)


def test_an_unknown_and_a_missing_column_are_named(tmp_path):
    put(tmp_path / "hosp", "admissions.csv")
    put(tmp_path / "hosp", "diagnoses_icd.csv", content="subject_id,hadm_id,icdcode,icd_version\n")
    assert "does not have: ICDCODE" in refusal(tmp_path)
    put(tmp_path / "hosp", "diagnoses_icd.csv", content="subject_id,hadm_id,icd_code\n")
    assert "lacks columns: ICD_VERSION" in refusal(tmp_path)


def test_a_damaged_table_is_refused(tmp_path):
    put(tmp_path / "hosp", "admissions.csv", "diagnoses_icd.csv.gz")
    path = tmp_path / "hosp/diagnoses_icd.csv.gz"
    path.write_bytes(path.read_bytes()[:-4])
    assert "the compressed file ends too early" in refusal(tmp_path)
    path.write_bytes(path.read_bytes()[:12])
    refusal(tmp_path)


def test_a_table_must_have_the_checksum_that_its_release_lists(tmp_path):
    put(tmp_path / "mimiciv/3.1/hosp", "admissions.csv", "diagnoses_icd.csv")
    sums = tmp_path / "mimiciv/3.1/SHA256SUMS.txt"
    sums.write_text(f"{hashlib.sha256(b'other').hexdigest()}  hosp/diagnoses_icd.csv\n")
    assert "differs from its checksum in SHA256SUMS.txt" in refusal(tmp_path)
    assert len(read(tmp_path, allow_modified=True)) == 2
    own = hashlib.sha256((tmp_path / "mimiciv/3.1/hosp/diagnoses_icd.csv").read_bytes()).hexdigest()
    sums.write_text(f"{own}  hosp/diagnoses_icd.csv\n")
    assert len(read(tmp_path)) == 2


def test_an_unreadable_folder_beside_the_downloads_is_passed_over(tmp_path, monkeypatch):
    put(tmp_path / "hosp", "admissions.csv")
    (tmp_path / "lost+found").mkdir()
    whole = type(tmp_path).iterdir

    def iterdir(folder):
        if folder.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return whole(folder)

    monkeypatch.setattr(type(tmp_path), "iterdir", iterdir)
    assert Mimic4().find(tmp_path) == tmp_path


def test_every_table_belongs_to_one_module():
    assert len(MODULE_OF) == len(TABLES)
    assert set(MODULE_OF.values()) == {"hosp", "icu", "note"}


def test_a_moved_release_keeps_the_paths_of_its_files(tmp_path):
    put(tmp_path / "a/hosp", "admissions.csv", "diagnoses_icd.csv")
    put(tmp_path / "a/note", "discharge.csv")
    shutil.copytree(tmp_path / "a", tmp_path / "deep/er/b")
    paths = []
    for folder in (tmp_path / "a", tmp_path / "deep"):
        raw = RawFiles(Mimic4().find(folder))
        list(open_table(raw, "diagnoses_icd", ("hadm_id",)))
        paths.append(sorted(raw.used))
    assert paths[0] == paths[1] == ["hosp/diagnoses_icd.csv"]
