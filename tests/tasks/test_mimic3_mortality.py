"""mimic3-mortality: cohort, admission note, death filter and splits, as van Aken et al. 2021 made them."""

import gzip
import json
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clinpeft.data.build import build_task
from clinpeft.data.watched import WatchedFiles
from clinpeft.errors import BadInput
from clinpeft.recount import parser_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import Mimic3
from clinpeft.tasks._admission_notes import SECTIONS, render
from clinpeft.tasks._death_in_hospital import without_death_phrases
from clinpeft.tasks._mimic3_notes import Summary, admission_sections, join_by_admission, without_copies
from clinpeft.tasks._mimic3_outcome import read_core_split
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.mimic3_mortality import Mimic3Mortality

GOLDEN = Path(__file__).resolve().parents[1] / "golden/mimic3-mortality"
SECRETS = ("ZQX-CANARY", "dawn", "crushing")


def examples_of(folder, **options):
    log = BuildLog()
    return list(Mimic3Mortality(**options).examples(RawFiles(folder), log)), log


def as_golden(examples):
    fields = ("example", "subject", "document", "label", "groups", "text")
    return [{field: getattr(example, field) for field in fields} for example in examples]


def golden(name):
    return [json.loads(line) for line in (GOLDEN / "out" / name).read_text(encoding="utf-8").splitlines()]


def copy_of_golden(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    return tmp_path / "raw"


def test_the_golden_raw_files_give_the_examples_worked_out_by_hand():
    examples, _ = examples_of(GOLDEN / "in")
    assert as_golden(examples) == golden("examples.jsonl")
    assert {example.split for example in examples} == {None}
    assert {example.time for example in examples} == {None}


def test_every_filter_step_is_counted():
    _, log = examples_of(GOLDEN / "in")
    steps = [{"step": step, "kept": kept, "dropped": dropped} for step, kept, dropped in log.filters]
    assert [row for row in steps if "mentions" not in row["step"]] == golden("filters.jsonl")


def test_packed_and_lower_case_tables_in_another_row_order_give_the_same_examples(tmp_path):
    """Rows of one text under two admissions included: CHARTDATE and ROW_ID decide, not the order in the file."""
    import csv
    import io

    for path in (GOLDEN / "in").iterdir():
        header, *rows = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
        random.Random(1).shuffle(rows)
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([[name.lower() for name in header], *rows])
        (tmp_path / f"{path.name.lower()}.gz").write_bytes(gzip.compress(out.getvalue().encode()))
    examples, _ = examples_of(tmp_path)
    assert as_golden(examples) == golden("examples.jsonl")


def test_an_example_does_not_show_its_text():
    examples, _ = examples_of(GOLDEN / "in")
    assert not any(secret in repr(examples) for secret in SECRETS)


def test_published_counts_are_laid_beside_ours():
    _, log = examples_of(GOLDEN / "in")
    why = "ADMISSIONS holds 17 of 58,976 rows and NOTEEVENTS holds 23 of 2,083,180 rows"
    assert ("examples", 48_684, 8, "V", why) in log.expected
    assert ("died, before the death filter", 5_136, 5, "A", why) in log.expected


def test_full_text_is_marked_as_telling_the_outcome_and_compared_with_nothing():
    examples, log = examples_of(GOLDEN / "in", text="full", allow_hindsight=True)
    assert ("NOTEEVENTS", None, "full-text-states-the-outcome") in log.anomalies
    assert log.expected == []
    assert any("Interim." in example.text for example in examples)
    assert not any(step == "with-main-section" for step, _, _ in log.filters)


def test_full_text_is_refused_unless_hindsight_is_allowed():
    with pytest.raises(ValidationError, match="written after the outcome"):
        Mimic3Mortality(text="full")


def test_wordings_that_hint_at_the_outcome_are_counted_by_class(tmp_path):
    raw = copy_of_golden(tmp_path)
    notes = (raw / "NOTEEVENTS.csv").read_bytes().replace(b"Mother died at 60.", b"Mother in hospice, CMO.")
    (raw / "NOTEEVENTS.csv").write_bytes(notes)
    _, log = examples_of(raw)
    assert ("counted-only: survived, mentions 'hospice'", 1, 5) in log.filters
    assert ("counted-only: survived, mentions 'cmo'", 1, 5) in log.filters
    assert ("counted-only: died, mentions 'hospice'", 0, 2) in log.filters


def test_a_release_without_notes_says_so(tmp_path):
    raw = copy_of_golden(tmp_path)
    (raw / "NOTEEVENTS.csv").write_bytes((raw / "NOTEEVENTS.csv").read_bytes().split(b"\n")[0].lower() + b"\n")
    with pytest.raises(BadInput, match="this release has no notes"):
        examples_of(raw)


def test_a_truncated_table_of_notes_gives_an_error_and_not_fewer_examples(tmp_path):
    raw = copy_of_golden(tmp_path)
    packed = gzip.compress((raw / "NOTEEVENTS.csv").read_bytes())
    (raw / "NOTEEVENTS.csv").unlink()
    (raw / "NOTEEVENTS.csv.gz").write_bytes(packed[:-4])
    with pytest.raises(BadInput, match="ends too early"):
        examples_of(raw)


@pytest.mark.parametrize(
    ("table", "old", "new", "rule"),
    [
        ("ADMISSIONS", b"\n2,2,102,", b"\n2,2,101,", "line 3: repeats a HADM_ID"),
        ("ADMISSIONS", b",1,1\n2,", b",2,1\n2,", "line 2, column HOSPITAL_EXPIRE_FLAG: is neither 0 nor 1"),
        ("ADMISSIONS", b"\n2,2,102,", b"\n2,2,,", "line 3, column HADM_ID: is empty"),
        ("NOTEEVENTS", b",102.0,", b",dawn,", "line 33, column HADM_ID: is no whole number"),
        ("NOTEEVENTS", b"102.0,2101-04-04 00:00:00", b"102,dawn", "line 33, column CHARTDATE: is no date"),
        ("NOTEEVENTS", b"\n1,1,101,", b"\n1,,101,", "line 2, column SUBJECT_ID: is empty"),
    ],
)
def test_a_broken_cell_is_refused_by_place_and_rule(tmp_path, table, old, new, rule):
    raw = copy_of_golden(tmp_path)
    content = (raw / f"{table}.csv").read_bytes()
    assert content.count(old) == 1
    (raw / f"{table}.csv").write_bytes(content.replace(old, new))
    with pytest.raises(BadInput, match=rule) as caught:
        examples_of(raw)
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_admissions_without_rows_are_refused(tmp_path):
    raw = copy_of_golden(tmp_path)
    (raw / "ADMISSIONS.csv").write_bytes((raw / "ADMISSIONS.csv").read_bytes().split(b"\n")[0] + b"\n")
    with pytest.raises(BadInput, match="holds no admissions"):
        examples_of(raw)


def test_a_note_of_another_subject_than_its_admission_is_noted(tmp_path):
    raw = copy_of_golden(tmp_path)
    (raw / "NOTEEVENTS.csv").write_bytes((raw / "NOTEEVENTS.csv").read_bytes().replace(b"\n4,4,104,", b"\n4,40,104,"))
    examples, log = examples_of(raw)
    assert [(file, code) for file, _, code in log.anomalies] == [("NOTEEVENTS.csv", "other-subject-than-in-admissions")]
    assert "40" in {example.subject for example in examples}


def core_split(folder, train=(1, 4, 1), validation=(6,), test=(8, 10)):
    clone = folder / "clone" / "tasks"
    clone.mkdir(parents=True)
    for name, subjects in (("train", train), ("val", validation), ("test", test)):
        (clone / f"mimic_{name}.csv").write_text("SUBJECT_ID\n" + "".join(f"{subject}\n" for subject in subjects))
    return folder / "clone"


def test_with_the_lists_of_core_patients_follow_them_and_unlisted_ones_vanish(tmp_path):
    raw = RawFiles(GOLDEN / "in")
    log = BuildLog()
    task = Mimic3Mortality(core_split_dir=str(core_split(tmp_path)))
    splits = {example.subject: example.split for example in task.examples(raw, log)}
    assert splits == {"1": "train", "4": "train", "6": "validation", "8": "test", "10": "test"}
    assert ("listed-by-core", 5, 3) in log.filters
    assert ("examples in train", 33_954, 2, "V") in [row[:4] for row in log.expected]
    assert "core_split_dir/mimic_val.csv" in [name for name, _, _ in raw.checksums()]


def test_the_choice_of_split_is_an_option_of_the_card_and_the_path_is_not(tmp_path):
    task = Mimic3Mortality(core_split_dir=str(tmp_path))
    assert task.model_dump() == {
        "mode": "correct",
        "text": "admission",
        "allow_hindsight": False,
        "leak_filter": "published",
        "split": "core",
        "allow_modified": False,
    }
    assert Mimic3Mortality().split == "hash"


@pytest.mark.parametrize("options", [{"split": "core"}, {"split": "hash", "core_split_dir": "x"}])
def test_core_split_and_its_folder_belong_together(options):
    with pytest.raises(ValidationError, match="belong together"):
        Mimic3Mortality(**options)


def test_broken_lists_of_core_are_refused(tmp_path):
    raw = RawFiles(GOLDEN / "in")
    with pytest.raises(BadInput, match=r"holds 0 files mimic_train.csv"):
        read_core_split(tmp_path / "nowhere", raw)
    with pytest.raises(BadInput, match=r"mimic_test.csv: lists a patient of another split too"):
        read_core_split(core_split(tmp_path, test=(1,)), raw)
    train = tmp_path / "clone/tasks/mimic_train.csv"
    train.write_text("SUBJECT_ID\nx17\n")
    with pytest.raises(BadInput, match=r"mimic_train.csv, line 2: is no SUBJECT_ID$|fetch") as caught:
        read_core_split(tmp_path / "clone", raw)
    assert "x17" not in str(caught.value)
    train.write_text("17\n")
    with pytest.raises(BadInput, match=r"mimic_train.csv, line 1: is not the header"):
        read_core_split(tmp_path / "clone", raw)


def test_lists_that_change_while_they_are_read_are_refused(tmp_path):
    files, folder = WatchedFiles(GOLDEN / "in"), core_split(tmp_path)
    read_core_split(folder, files)
    (folder / "tasks/mimic_val.csv").write_text("SUBJECT_ID\n6\n17\n")
    with pytest.raises(BadInput, match=r"mimic_val.csv: changed while it was read"):
        files.describe("mimic3", "1.4")


def section(text, header="CHIEF COMPLAINT"):
    return admission_sections(text)[header]


def test_a_section_ends_at_an_empty_line_before_something_like_a_header():
    assert section("chief complaint: a\n\nb\n\nNext Part: c") == "a  b"
    assert section("Chief Complaint:a\n\n(in brackets): b\n\nc. d: e\n\n1st: f\n\ng|h: i\n\nj\\k: l\n\nm: n").endswith(
        "j\\k: l"
    )


def test_a_section_that_ends_the_note_or_is_followed_by_blank_lines_with_a_blank_is_not_found():
    assert section("Chief Complaint: pain") == ""
    assert section("Chief Complaint: pain\n \nService: X") == ""


def test_the_first_occurrence_that_can_be_completed_wins():
    assert section("Chief Complaint: one\n\nService: X\n\nChief Complaint: two\n\nY: z") == "one"


def test_headers_are_found_by_their_tails_and_in_any_case():
    text = "HISTORY OF PRESENT ILLNESS: a\n\nPast Medical History: b\n\nPHYSICAL EXAMINATION: c\n\nD: e"
    assert section(text, "PRESENT ILLNESS") == "a"
    assert section(text, "MEDICAL HISTORY") == "b"
    assert section(text, "PHYSICAL EXAM") == ""


def test_the_admission_note_shows_all_eight_headers_in_order():
    lines = render(admission_sections("")).split("\n\n")
    assert [line.partition(":")[0] for line in lines] == list(SECTIONS)
    assert lines[0] == "CHIEF COMPLAINT: "


@given(st.text(alphabet="aA1.:\n ("), st.text(alphabet="aA1.:\n ("))
def test_sections_are_those_of_the_upstream_pattern_on_escaped_line_ends(before, after):
    """Upstream rewrites each line end to a backslash and an n, then searches; both ways must agree."""
    import re

    text = f"{before}Chief Complaint:{after}"
    escaped = text.replace("\n", "\\n")
    found = re.search(r"(?i)chief complaint:(.+?)\\n\\n[^(\\|\d.)]+?:", escaped, re.DOTALL)
    assert section(text) == (found[1].replace("\\n", " ").strip() if found else "")


def test_a_dataset_built_from_invented_files_names_its_split_and_quotes_no_note(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    Mimic3().synthesize(tmp_path / "mimic3", num_patients=60, seed=1)
    card = build_task(Mimic3Mortality(), "mimic3-mortality", tmp_path, tmp_path / "out").card
    assert (card.split.method, card.split.by, card.split.shared_subjects) == ("hash", "subject", 0)
    assert sum(counts.labels["died"] for counts in card.counts.values()) > 10
    assert "ZQX" not in card.model_dump_json()


def summary(row_id, hadm, text, day=0, is_report=True):
    return Summary(day, row_id, hadm, hadm, is_report, text)


def test_of_equal_texts_the_last_by_date_and_row_stays():
    notes = [summary(3, 1, "a", day=5), summary(1, 2, "a", day=5), summary(2, 3, "a", day=4), summary(4, 1, "b")]
    assert [note.row_id for note in without_copies(notes)] == [4, 3]


def test_reports_and_addenda_are_joined_and_named_after_the_last_report():
    notes = [
        summary(1, 7, " one\n"),
        summary(2, 7, "two"),
        summary(3, 7, "three ", is_report=False),
        summary(4, 5, "x"),
    ]
    first, second = join_by_admission(notes, BuildLog())
    assert (first.hadm, first.row_id) == (5, 4)
    assert (second.hadm, second.row_id, second.text) == (7, 2, "one\n\n\ntwo\n\nthree")


def test_an_admission_with_addenda_only_is_left_out():
    log = BuildLog()
    assert list(join_by_admission([summary(1, 7, "a", is_report=False)], log)) == []
    assert log.filters == [("admissions", 1, 0), ("with-report", 0, 1)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("PHYSICAL EXAM: pale, patient expired at 5", "PHYSICAL EXAM: pale,  at 5"),
        ("PHYSICAL EXAM: pt has passed away.", "PHYSICAL EXAM: ."),
        ("MEDICATION ON ADMISSION: none had died\n\nALLERGIES: ", "MEDICATION ON ADMISSION: none\n\nALLERGIES: "),
        ("PHYSICAL EXAM: patient died. Then patient died", None),
        ("PHYSICAL EXAM: patient died\n\nSOCIAL HISTORY: PT Deceased", None),
        ("PRESENT ILLNESS: Pt  had expired", None),
        ("PRESENT ILLNESS: she expired", None),
        ("PRESENT ILLNESS: the expired license", None),
        ("PRESENT ILLNESS: Pronounced Expired", None),
        ("PRESENT ILLNESS: TIME OF DEATH 5", None),
        ("FAMILY HISTORY: Mother died. Father deceased", "FAMILY HISTORY: Mother died. Father deceased"),
        ("PRESENT ILLNESS: DNR, comfort measures only", "PRESENT ILLNESS: DNR, comfort measures only"),
    ],
)
def test_death_phrases_are_cut_once_in_two_sections_and_drop_the_example_elsewhere(text, kept):
    assert without_death_phrases(text) == kept


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("mimic3-mortality") is Mimic3Mortality


@pytest.mark.parametrize("options", [{}, {"text": "full", "allow_hindsight": True}, {"core_split_dir": True}])
def test_the_second_parser_agrees(tmp_path, options):
    if options.get("core_split_dir"):
        options = {"core_split_dir": str(core_split(tmp_path))}
    task = Mimic3Mortality(**options)
    recount = parser_of("mimic3")("mimic3-mortality", GOLDEN / "in", {**task.model_dump(), **options})
    examples, _ = examples_of(GOLDEN / "in", **options)
    found = [(one.example, one.labels, one.text) for one in recount]
    assert found == [(example.example, (example.label,), example.text) for example in examples]


def with_times(tmp_path, column, time):
    """The golden files with another time of admission 104."""
    raw = copy_of_golden(tmp_path)
    rows = (raw / "ADMISSIONS.csv").read_text().split("\n")
    place = rows[0].replace('"', "").split(",").index(column)
    cells = rows[4].split(",")
    rows[4] = ",".join([*cells[:place], time, *cells[place + 1 :]])
    (raw / "ADMISSIONS.csv").write_text("\n".join(rows))
    return raw


@pytest.mark.parametrize(
    ("column", "time", "dropped"),
    [
        ("DISCHTIME", "2104-02-27 08:00:00", 1),
        ("DEATHTIME", "2103-12-31 23:59:59", 1),
        ("DISCHTIME", "2104-03-01 10:00:00", 0),
        ("DEATHTIME", "2204-03-01 10:00:00", 0),
    ],
    ids=["discharged before", "dead before", "discharged at once", "in 2204, as dates are shifted"],
)
def test_an_admission_that_ends_before_it_begins_is_left_out_and_counted_but_in_paper_mode(
    tmp_path, column, time, dropped
):
    raw = with_times(tmp_path, column, time)
    for mode, kept in (("correct", 8 - dropped), ("paper", 8)):
        task = Mimic3Mortality(mode=mode)
        examples, log = examples_of(raw, mode=mode)
        again = [one.example for one in parser_of("mimic3")("mimic3-mortality", raw, task.model_dump())]
        assert [example.example for example in examples] == again
        assert (len(again), "104" in again) == (kept, kept == 8)
        assert ("times-in-order", 11 - dropped, dropped) in log.filters or mode == "paper"


def test_an_admission_that_ends_before_it_begins_counts_among_the_published_before_the_death_filter(tmp_path):
    _, before = examples_of(GOLDEN / "in")
    _, after = examples_of(with_times(tmp_path, "DISCHTIME", "2104-02-27 08:00:00"))
    counts = [[row for row in log.expected if "before the death filter" in row[0]] for log in (before, after)]
    assert counts[0] == counts[1] != []


@pytest.mark.parametrize("options", [{}, {"leak_filter": "strict"}])
def test_the_second_parser_agrees_on_invented_tables(tmp_path, options):
    Mimic3().synthesize(tmp_path, num_patients=40, seed=7)
    recount = parser_of("mimic3")("mimic3-mortality", tmp_path, Mimic3Mortality(**options).model_dump())
    examples, _ = examples_of(tmp_path, **options)
    assert len(examples) > 50
    assert [(one.example, one.labels[0], one.text) for one in recount] == [
        (example.example, example.label, example.text) for example in examples
    ]
