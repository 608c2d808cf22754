"""mimic4-mortality, -length-of-stay and -diagnoses: cohort, sections of MIMIC-IV's notes, labels of all three."""

import csv
import gzip
import io
import json
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic4 import Mimic4
from clinpeft.tasks._mimic4_sections import HEADERS, admission_sections, before_discharge
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.mimic4_diagnoses import MOST_MISFITS, Mimic4Diagnoses
from clinpeft.tasks.mimic4_length_of_stay import Mimic4LengthOfStay
from clinpeft.tasks.mimic4_mortality import Mimic4Mortality

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TASK_CLASSES = {
    "mimic4-mortality": Mimic4Mortality,
    "mimic4-length-of-stay": Mimic4LengthOfStay,
    "mimic4-diagnoses": Mimic4Diagnoses,
}
NOTES = "mimic-iv-note/2.2/note/discharge.csv"
ADMISSIONS = "mimiciv/3.1/hosp/admissions.csv"
SECRETS = ("ZQX-CANARY", "crushing", "Belly")


def examples_of(folder, task="mimic4-mortality", **options):
    log = BuildLog()
    root = Mimic4().find(folder)
    return list(TASK_CLASSES[task](**options).examples(RawFiles(root), log)), log


def golden(task, name="examples"):
    lines = (GOLDEN / task / "out" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def as_golden(examples, label="label"):
    fields = ("example", "subject", "document", label, "groups", "text")
    plain = [{field: getattr(example, field) for field in fields} for example in examples]
    return [{key: list(value) if isinstance(value, tuple) else value for key, value in row.items()} for row in plain]


def steps_of(log):
    return [{"step": step, "kept": kept, "dropped": dropped} for step, kept, dropped in log.filters]


@pytest.fixture
def raw(tmp_path):
    shutil.copytree(GOLDEN / "mimic4-mortality/in", tmp_path / "raw")
    return tmp_path / "raw"


def change(raw, table, old, new):
    content = (raw / table).read_bytes()
    assert content.count(old) == 1
    (raw / table).write_bytes(content.replace(old, new))


@pytest.mark.parametrize("task", TASK_CLASSES)
def test_the_golden_raw_files_give_the_examples_worked_out_by_hand(task):
    examples, _ = examples_of(GOLDEN / task / "in", task)
    assert as_golden(examples, "labels" if task == "mimic4-diagnoses" else "label") == golden(task)
    assert {example.split for example in examples} == {None}


@pytest.mark.parametrize("task", TASK_CLASSES)
def test_the_tasks_are_registered_under_their_names(task):
    assert TASKS.get(task) is TASK_CLASSES[task]


def test_every_filter_step_is_counted():
    _, log = examples_of(GOLDEN / "mimic4-mortality/in")
    steps = [row for row in steps_of(log) if "mentions" not in row["step"]]
    assert steps == golden("mimic4-mortality", "filters")


def test_a_note_id_that_stands_twice_is_noted_and_its_first_row_taken():
    _, log = examples_of(GOLDEN / "mimic4-mortality/in")
    assert [(file, code) for file, _, code in log.anomalies] == [(NOTES, "repeats-a-note-id")]


def test_wordings_that_hint_at_the_outcome_are_counted_by_class(raw):
    change(raw, NOTES, b"Mother died at 60.", b"Mother in hospice, CMO.")
    _, log = examples_of(raw)
    assert ("counted-only: died, mentions 'hospice'", 1, 0) in log.filters
    assert ("counted-only: survived, mentions 'cmo'", 0, 3) in log.filters


def test_row_counts_are_laid_beside_those_of_the_release():
    _, log = examples_of(GOLDEN / "mimic4-diagnoses/in", "mimic4-diagnoses")
    assert ("rows of admissions", 546_028, 4, "V", None) in log.expected
    assert ("rows of discharge", 331_793, 4, "V", None) in log.expected
    assert ("rows of diagnoses_icd", 6_364_488, 15, "V", None) in log.expected


def test_packed_and_upper_case_tables_in_another_row_order_give_the_same_examples(tmp_path):
    for path in (path for path in (GOLDEN / "mimic4-mortality/in").rglob("*.csv")):
        header, *rows = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
        random.Random(1).shuffle(rows)
        again = [row for row in rows if row[-1].startswith("Chief Complaint:\na note_id again")]
        rows = [row for row in rows if row not in again] + again  # of two equal ids the first in the file stays
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([[name.upper() for name in header], *rows])
        folder = tmp_path / path.parent.name.upper()
        folder.mkdir()
        (folder / f"{path.name.upper()}.gz").write_bytes(gzip.compress(out.getvalue().encode()))
    assert as_golden(examples_of(tmp_path)[0]) == golden("mimic4-mortality")


def test_the_whole_summary_is_refused_unless_hindsight_is_accepted():
    with pytest.raises(ValidationError, match="allow_hindsight"):
        Mimic4Mortality(text="full")
    examples, log = examples_of(GOLDEN / "mimic4-mortality/in", text="full", allow_hindsight=True)
    assert ("discharge", None, "full-text-states-the-outcome") in log.anomalies
    assert not any(step == "with-main-section" for step, _, _ in log.filters)
    texts = {example.example: example.text for example in examples}
    assert "DIAGNOSIS: flu" in texts["2010"]
    order = [texts["2003"].index(word) for word in ("first report", "second report", "of the addendum")]
    assert order == sorted(order)


def test_an_example_does_not_show_its_text():
    examples, _ = examples_of(GOLDEN / "mimic4-mortality/in")
    assert not any(secret in repr(examples) for secret in SECRETS)


def test_the_demo_is_refused_because_it_has_no_notes(tmp_path):
    demo = tmp_path / "mimic-iv-clinical-database-demo-2.2/hosp"
    demo.mkdir(parents=True)
    shutil.copy(GOLDEN / "mimic4-mortality/in" / ADMISSIONS, demo)
    with pytest.raises(BadInput, match=r"this release has no notes; the demo leaves them out") as caught:
        examples_of(tmp_path)
    assert "\n" not in str(caught.value)


def test_notes_without_rows_and_admissions_without_rows_are_refused(raw):
    lines = (raw / NOTES).read_bytes().split(b"\n")[:1]
    (raw / NOTES).write_bytes(lines[0] + b"\n")
    with pytest.raises(BadInput, match="this release has no notes"):
        examples_of(raw)
    (raw / ADMISSIONS).write_bytes((raw / ADMISSIONS).read_bytes().split(b"\n")[0] + b"\n")
    with pytest.raises(BadInput, match="holds no admissions"):
        examples_of(raw)


def test_truncated_notes_give_an_error_and_not_fewer_examples(raw):
    packed = gzip.compress((raw / NOTES).read_bytes())
    (raw / NOTES).unlink()
    (raw / f"{NOTES}.gz").write_bytes(packed[:-4])
    with pytest.raises(BadInput, match="ends too early"):
        examples_of(raw)


@pytest.mark.parametrize(
    ("table", "old", "new", "rule"),
    [
        (ADMISSIONS, b"\n102,2002,", b"\n102,2001,", "line 3: repeats a hadm_id"),
        (ADMISSIONS, b"\n102,2002,", b"\n102,,", "line 3, column HADM_ID: is empty"),
        (ADMISSIONS, b",2180-05-06 23:30:00,1", b",2180-05-06 23:30:00,2", "HOSPITAL_EXPIRE_FLAG: is neither 0 nor 1"),
        (ADMISSIONS, b"2212-01-02 10:00:00", b"ZQX-CANARY", "line 12, column ADMITTIME: is no time"),
        (ADMISSIONS, b"2212-01-02 10:00:00", b"", "line 12, column ADMITTIME: is empty"),
        (NOTES, b",2003.0,", b",crushing,", "line 82, column HADM_ID: is no whole number"),
        (NOTES, b"102,2002,DS,1,2181-01-03 00:00:00", b"102,2002,DS,1,dawn", "column CHARTTIME: is no time"),
        (NOTES, b"102,2002,DS,1,", b"102,2002,DS,,", "column NOTE_SEQ: is empty"),
        (NOTES, b"102-DS-1,102,", b"102-DS-1,,", "column SUBJECT_ID: is empty"),
    ],
)
def test_a_broken_cell_is_refused_by_place_and_rule(raw, table, old, new, rule):
    change(raw, table, old, new)
    with pytest.raises(BadInput, match=rule) as caught:
        examples_of(raw)
    assert not any(secret in str(caught.value) for secret in (*SECRETS, "dawn"))


def test_a_note_of_another_subject_than_its_admission_is_noted(raw):
    change(raw, NOTES, b"101-DS-1,101,", b"101-DS-1,999,")
    _, log = examples_of(raw)
    assert (NOTES, 2, "other-subject-than-in-admissions") in log.anomalies


def section(text, header="CHIEF COMPLAINT"):
    return admission_sections(text)[header]


@pytest.mark.parametrize("header", HEADERS)
def test_every_header_of_the_list_ends_a_section(header):
    text = f"Chief Complaint:\npain\n \n{header}: x" if header != "Chief Complaint" else "Chief Complaint: pain"
    assert section(text) == "pain"


def test_a_header_counts_at_the_start_of_a_line_only_and_in_any_case():
    assert (
        section("chief complaint: a\nsee Allergies: b\n Service: c\nALLERGIES: d") == "a see Allergies: b  Service: c"
    )


def test_lines_that_look_like_headers_and_are_none_end_nothing():
    text = "History of Present Illness:\na\n\nIn the ED, initial vitals were:\nT 98\n\nGen: NAD"
    assert section(text, "PRESENT ILLNESS") == "a  In the ED, initial vitals were: T 98  Gen: NAD"


def test_a_masked_header_opens_the_one_section_that_it_can_be():
    assert section("___ on Admission:\naspirin", "MEDICATION ON ADMISSION") == "aspirin"
    assert section("Past ___ History:\nasthma", "MEDICAL HISTORY") == "asthma"


def test_a_masked_header_that_can_be_several_ends_a_section_and_opens_none():
    sections = admission_sections("Chief Complaint: a\n___ History:\nsmokes\nDischarge ___: b")
    assert sections["CHIEF COMPLAINT"] == "a"
    assert sections["SOCIAL HISTORY"] == sections["FAMILY HISTORY"] == ""


def test_two_masked_words_or_the_only_word_masked_make_no_header():
    assert section("Chief Complaint: a\n___:\n___ ___:\nb") == "a ___: ___ ___: b"


def test_of_two_sections_of_one_name_the_first_that_is_not_empty_counts():
    assert section("Chief Complaint:\n \nChief Complaint: one\nChief Complaint: two") == "one"


def test_sections_may_follow_each_other_without_an_empty_line():
    sections = admission_sections("Past Medical History:\ngout \nSocial History:\n___\nFamily History:\nnone \n \n")
    assert [sections[name] for name in ("MEDICAL HISTORY", "SOCIAL HISTORY", "FAMILY HISTORY")] == [
        "gout",
        "___",
        "none",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "DISCHARGE PHYSICAL EXAM:",
        "Discharge exam",
        "Vitals on discharge: stable",
        "AT DISCHARGE he walks",
        "== Discharge :",
        "EXAM - DISCHARGE: well",
    ],
)
def test_the_exam_ends_at_the_first_line_that_speaks_of_discharge(line):
    assert before_discharge(f"alert\n{line}\nlungs clear") == "alert\n"
    assert section(f"Physical Exam:\n{line}\nwell", "PHYSICAL EXAM") == ""


@pytest.mark.parametrize("line", ["no nasal discharge", "eyes: no discharge: none seen", "discharged home last week"])
def test_other_discharges_do_not_end_the_exam(line):
    assert before_discharge(f"alert\n{line}") == f"alert\n{line}"


def test_discharge_in_another_section_cuts_nothing():
    assert section("History of Present Illness:\nwell at discharge\nnow ill", "PRESENT ILLNESS") == (
        "well at discharge now ill"
    )


@given(st.text(alphabet="aA_: \n") | st.sampled_from(HEADERS), st.text(alphabet="aA_: \n"))
def test_sections_never_hold_a_line_end_and_never_come_from_nowhere(before, after):
    text = f"{before}\nChief Complaint:{after}"
    for body in admission_sections(text).values():
        assert "\n" not in body
        assert body == body.strip()
        assert set(body) <= set(text) | {" "}


def test_deaths_and_stays_without_an_end_are_left_out_of_length_of_stay():
    _, log = examples_of(GOLDEN / "mimic4-length-of-stay/in", "mimic4-length-of-stay")
    assert ("times-in-order", 9, 1) in log.filters
    assert ("survivors", 7, 2) in log.filters
    assert ("with-end-of-stay", 6, 1) in log.filters


@pytest.mark.parametrize(
    ("icd", "labels"),
    [
        ("9", {"32": ("9:003", "9:038", "9:486", "9:E932", "9:V458"), "33": ("9:401",)}),
        (
            "both",
            {
                "31": ("10:A41", "10:C4A", "10:I50"),
                "32": ("9:003", "9:038", "9:486", "9:E932", "9:V458"),
                "33": ("10:I10", "9:401"),
            },
        ),
    ],
)
def test_labels_say_their_version_and_admissions_without_it_are_left_out(icd, labels):
    examples, log = examples_of(GOLDEN / "mimic4-diagnoses/in", "mimic4-diagnoses", icd=icd)
    assert {example.example: example.labels for example in examples} == labels
    assert ("with-codes", len(labels), 4 - len(labels)) in log.filters


def test_the_classes_are_those_of_the_whole_table():
    _, log = examples_of(GOLDEN / "mimic4-diagnoses/in", "mimic4-diagnoses")
    assert log.labels == ("10:A41", "10:C4A", "10:I10", "10:I50", "10:Z79")
    assert ("diagnosis-rows-with-code", 14, 1) in log.filters
    assert ("diagnosis-rows-of-chosen-version", 6, 8) in log.filters


def test_codes_that_are_none_of_their_version_are_noted_and_left_out():
    _, log = examples_of(GOLDEN / "mimic4-diagnoses/in", "mimic4-diagnoses", icd="both")
    assert log.anomalies == [
        ("diagnoses_icd.csv", 13, "code-of-another-version"),
        ("diagnoses_icd.csv", 14, "code-of-another-version"),
    ]


def test_a_table_of_mixed_up_versions_is_refused(tmp_path):
    shutil.copytree(GOLDEN / "mimic4-diagnoses/in", tmp_path / "raw")
    path = tmp_path / "raw/diagnoses_icd.csv"
    path.write_text(path.read_text() + "3,33,6,4019,10\n" * MOST_MISFITS)
    with pytest.raises(BadInput, match=r"diagnoses_icd.csv, lines 14, 17, .*\(101 in all\): hold codes that are none"):
        examples_of(tmp_path, "mimic4-diagnoses")


def test_a_few_odd_codes_among_very_many_are_noted_only(tmp_path):
    shutil.copytree(GOLDEN / "mimic4-diagnoses/in", tmp_path / "raw")
    path = tmp_path / "raw/diagnoses_icd.csv"
    path.write_text(path.read_text() + "3,33,6,I10,10\n" * 10_400 + "3,33,6,4019,10\n" * (MOST_MISFITS + 1))
    examples, log = examples_of(tmp_path, "mimic4-diagnoses")
    assert {example.example for example in examples} == {"31", "33"}
    assert len(log.anomalies) == 1 + MOST_MISFITS + 1


@pytest.mark.parametrize("version", ["", "11"])
def test_a_version_that_is_neither_9_nor_10_is_refused(tmp_path, version):
    shutil.copytree(GOLDEN / "mimic4-diagnoses/in", tmp_path / "raw")
    path = tmp_path / "raw/diagnoses_icd.csv"
    path.write_text(path.read_text() + f"3,33,6,I10,{version}\n")
    with pytest.raises(BadInput, match=r"line 17, column ICD_VERSION: is neither 9 nor 10"):
        examples_of(tmp_path, "mimic4-diagnoses")


def test_codes_without_their_version_are_refused(tmp_path):
    shutil.copytree(GOLDEN / "mimic4-diagnoses/in", tmp_path / "raw")
    (tmp_path / "raw/diagnoses_icd.csv").write_text("subject_id,hadm_id,seq_num,icd_code\n1,31,1,4019\n")
    with pytest.raises(BadInput, match="lacks columns: ICD_VERSION"):
        examples_of(tmp_path, "mimic4-diagnoses")


@pytest.mark.parametrize("task", TASK_CLASSES)
def test_a_dataset_built_from_invented_files_quotes_no_note_and_splits_like_the_others(task, tmp_path, monkeypatch):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    Mimic4().synthesize(tmp_path / "raw", num_patients=80, seed=1)
    card = build_task(TASK_CLASSES[task](), task, tmp_path / "raw", tmp_path / "out").card
    assert (card.split.method, card.split.by, card.split.shared_subjects) == ("hash", "subject", 0)
    assert "ZQX" not in card.model_dump_json()
    names = {file.path for source in card.sources for file in source.files}
    assert {"mimiciv/3.1/hosp/admissions.csv.gz", "mimic-iv-note/2.2/note/discharge.csv.gz"} <= names


def test_mimic3_given_to_a_task_of_mimic4_and_the_other_way_round_is_named(tmp_path):
    mimic3 = GOLDEN / "mimic3-mortality/in"
    with pytest.raises(BadInput, match=r"holds no raw files of source 'mimic4' \(.*\), but those of mimic3;"):
        build_task(Mimic4Mortality(), "mimic4-mortality", mimic3, tmp_path)
    with pytest.raises(BadInput, match=r"holds no raw files of source 'mimic3' \(.*\), but those of mimic4;"):
        build_task(TASKS.get("mimic3-mortality")(), "mimic3-mortality", GOLDEN / "mimic4-mortality/in", tmp_path)
