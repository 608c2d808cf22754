"""The diagnosis and procedure tasks of MIMIC-III: categories, label space, and what the published ones damage."""

import csv
import gzip
import io
import json
import shutil
from pathlib import Path

import pytest

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.metrics import auroc_codes
from clinpeft.recount import parser_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import Mimic3
from clinpeft.tasks._icd import category
from clinpeft.tasks._mimic3_codes import LEARNED_ONLY, damaged_category, damaged_title_words, title_words
from clinpeft.tasks._stop_words import STOP_WORDS
from clinpeft.tasks.base import TASKS, BuildLog

GOLDEN = Path(__file__).resolve().parents[1] / "golden/mimic3-codes"
CASES = [
    ("diagnoses", "correct", "diagnoses"),
    ("procedures", "correct", "procedures"),
    ("procedures", "paper", "procedures-paper"),
    ("diagnoses-plus", "correct", "diagnoses-plus"),
    ("diagnoses-plus", "paper", "diagnoses-plus-paper"),
    ("procedures-plus", "correct", "procedures-plus"),
]


def task_of(name, **options):
    return TASKS.get(f"mimic3-{name}")(**options)


def examples_of(name, folder=GOLDEN / "in", **options):
    log = BuildLog()
    return list(task_of(name, **options).examples(RawFiles(folder), log)), log


def copy_of_golden(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    return tmp_path / "raw"


@pytest.mark.parametrize(("name", "mode", "file"), CASES)
def test_the_golden_tables_give_the_labels_worked_out_by_hand(name, mode, file):
    examples, _ = examples_of(name, mode=mode)
    found = [{"example": example.example, "labels": list(example.labels)} for example in examples]
    assert found == [json.loads(line) for line in (GOLDEN / f"out/{file}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("name", "mode", "file"), CASES)
def test_the_second_parser_agrees(name, mode, file):
    examples, _ = examples_of(name, mode=mode)
    recount = parser_of("mimic3")(f"mimic3-{name}", GOLDEN / "in", task_of(name, mode=mode).model_dump())
    found = [(one.example, one.labels, one.text) for one in recount]
    assert found == [(one.example, tuple(sorted(one.labels)), one.text) for one in examples]


@pytest.mark.parametrize("name", ["diagnoses", "procedures-plus"])
def test_packed_and_lower_case_tables_in_another_row_order_give_the_same_examples(tmp_path, name):
    for path in (GOLDEN / "in").iterdir():
        header, *rows = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([[column.lower() for column in header], *rows[::-1]])
        (tmp_path / f"{path.name.lower()}.gz").write_bytes(gzip.compress(out.getvalue().encode()))
    again, log = examples_of(name, tmp_path)
    examples, first_log = examples_of(name)
    assert again == examples
    assert log.labels == first_log.labels


def test_the_label_space_holds_every_code_of_the_table_also_of_newborns_and_of_stays_without_a_note():
    _, log = examples_of("diagnoses")
    assert log.labels == ("038", "428", "486", "799", "E80", "E932", "V300", "V450", "V458")
    assert ("rows of DIAGNOSES_ICD with a code", 11, 1) in log.filters
    assert ("with-codes", 3, 1) in log.filters
    why = "rows of DIAGNOSES_ICD: 12 of 651,047"
    assert ("categories in the label space", 1_266, 9, "V", why) in log.expected


def test_procedure_codes_that_were_read_as_numbers_collide():
    assert examples_of("procedures")[1].labels == ("006", "033", "331", "389", "995", "999")
    assert examples_of("procedures", mode="paper")[1].labels == ("331", "389", "66", "995", "999")
    why = "the published labels lost leading zeros; --compat paper loses them too"
    assert ("categories in the label space", 711, 6, "V", why) in examples_of("procedures")[1].expected


def test_scored_labels_come_first_in_the_label_space_of_the_plus_tasks():
    plain, plus = (examples_of(name)[1] for name in ("diagnoses", "diagnoses-plus"))
    assert plus.labels[: len(plain.labels)] == plain.labels
    assert all(label.startswith("+") for label in plus.labels[len(plain.labels) :])
    assert "+" not in plus.labels
    assert "+" in examples_of("diagnoses-plus", mode="paper")[1].labels
    assert ("codes without a title, DIAGNOSES_ICD", 144, 2) in [row[:3] for row in plus.expected]


def test_the_metric_leaves_out_what_the_plus_tasks_mark():
    assert LEARNED_ONLY == auroc_codes.LEARNED_ONLY


def test_another_number_of_categories_is_explained_by_the_rows_and_not_by_the_titles():
    _, log = examples_of("diagnoses-plus")
    why = "rows of DIAGNOSES_ICD: 12 of 651,047"
    assert ("codes without a title, DIAGNOSES_ICD", 144, 2, "V", why) in log.expected
    assert ("categories in the label space", 1_266, 9, "V", why) in log.expected


def test_codes_with_dots_are_the_same_codes_and_noted(tmp_path):
    raw = copy_of_golden(tmp_path)
    path = raw / "DIAGNOSES_ICD.csv"
    path.write_text(path.read_text().replace('"0389"', '"038.9"').replace('"V4501"', '"V45.01 "'))
    examples, log = examples_of("diagnoses", raw)
    assert [example.labels for example in examples] == [example.labels for example in examples_of("diagnoses")[0]]
    assert log.anomalies == [("DIAGNOSES_ICD.csv", None, "codes-with-dots")]


@pytest.mark.parametrize(
    ("name", "table", "old", "new"),
    [
        ("diagnoses", "DIAGNOSES_ICD", '"E9320"', '"I10"'),
        ("diagnoses", "DIAGNOSES_ICD", '"E9320"', '"EVANS"'),
        ("procedures", "PROCEDURES_ICD", '"0331"', '"0DTJ4ZZ"'),
    ],
)
def test_codes_of_icd_10_and_text_are_refused_by_place_and_not_quoted(tmp_path, name, table, old, new):
    raw = copy_of_golden(tmp_path)
    path = raw / f"{table}.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(BadInput, match=rf"{table}.csv, line \d, column ICD9_CODE: is no ICD-9 code") as caught:
        examples_of(name, raw)
    assert new.strip('"') not in str(caught.value)


def test_a_missing_table_of_codes_ends_the_build_before_the_notes_are_read(tmp_path):
    raw = copy_of_golden(tmp_path)
    (raw / "DIAGNOSES_ICD.csv").unlink()
    (raw / "NOTEEVENTS.csv").unlink()
    with pytest.raises(BadInput, match="holds no table DIAGNOSES_ICD"):
        examples_of("diagnoses", raw)


def test_the_whole_summary_is_no_basis_for_foretelling_codes():
    with pytest.raises(ValueError, match="written after the outcome"):
        task_of("diagnoses", text="full")
    assert len(examples_of("diagnoses", text="full", allow_hindsight=True)[0]) == 3


def test_categories_of_e_and_v_codes_have_four_characters():
    assert [category(code) for code in ("0389", "V4581", "E9320", "E80", "486")] == [
        "038",
        "V458",
        "E932",
        "E80",
        "486",
    ]
    assert [damaged_category(code) for code in ("0331", "3310", "0066")] == ["331", "331", "66"]


def test_titles_lose_punctuation_and_stop_words():
    assert len(STOP_WORDS) == 179
    assert title_words("Other  and unspecified, NOT-in [HIV]") == ["unspecified", "notin", "hiv"]
    assert damaged_title_words("a - b") == ["", "b"]
    assert (title_words(""), damaged_title_words("")) == ([], [""])


def test_a_dataset_lists_all_labels_and_counts_those_without_an_example(tmp_path):
    Mimic3().synthesize(tmp_path / "mimic3", num_patients=60, seed=1)
    card = build_task(task_of("diagnoses"), "mimic3-diagnoses", tmp_path, tmp_path / "out").card
    assert card.kind == "multilabel"
    assert "V310" in card.labels
    assert card.counts["train"].labels["V310"] == 0  # of newborns
    assert card.counts["train"].labels["038"] > 0
    assert "ZQX" not in card.model_dump_json()


def test_a_label_outside_the_stated_label_space_is_refused(tmp_path, monkeypatch):
    Mimic3().synthesize(tmp_path / "mimic3", num_patients=40, seed=1)
    monkeypatch.setattr(BuildLog, "label_space", lambda log, labels: setattr(log, "labels", tuple(labels)[:-1]))
    with pytest.raises(BadInput, match="an example has a label that the task does not list"):
        build_task(task_of("diagnoses"), "mimic3-diagnoses", tmp_path, tmp_path / "out")
