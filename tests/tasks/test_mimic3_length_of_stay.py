"""mimic3-length-of-stay: days rounded to one decimal, four classes, survivors only."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.recount import parser_of
from clinpeft.sources.base import RawFiles
from clinpeft.tasks._stays import CLASSES, class_of
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.mimic3_length_of_stay import Mimic3LengthOfStay

GOLDEN = Path(__file__).resolve().parents[1] / "golden/mimic3-length-of-stay"


def examples_of(folder=GOLDEN / "in", **options):
    log = BuildLog()
    return list(Mimic3LengthOfStay(**options).examples(RawFiles(folder), log)), log


def test_the_golden_raw_files_give_the_classes_worked_out_by_hand():
    examples, log = examples_of()
    fields = ("example", "subject", "document", "label")
    found = [{field: getattr(example, field) for field in fields} for example in examples]
    assert found == [json.loads(line) for line in (GOLDEN / "out/examples.jsonl").read_text().splitlines()]
    assert log.filters[-3:] == [
        ("survivors", 9, 2),
        ("with-times", 8, 1),
        ("discharged-after-admission", 7, 1),
    ]
    assert log.anomalies == []


def test_in_paper_mode_a_stay_that_ends_before_it_begins_is_one_of_up_to_three_days():
    examples, log = examples_of(mode="paper")
    assert ("106", "up to 3 days") in [(example.example, example.label) for example in examples]
    assert len(examples) == 8
    assert log.anomalies == [("ADMISSIONS", None, "discharged-before-admission")]


def test_published_counts_are_laid_beside_ours_with_what_explains_a_difference():
    expected = {what: (published, got, why) for what, published, got, _, why in examples_of()[1].expected}
    why = "ADMISSIONS holds 12 of 58,976 rows and NOTEEVENTS holds 12 of 2,083,180 rows"
    assert expected["up to 3 days, with negative stays"] == (5_596, 3, why)
    assert expected["examples"] == (43_609, 7, why)


def test_the_last_moment_of_a_class_is_a_twentieth_of_a_day_after_its_last_day():
    second = timedelta(seconds=1)
    for days, name, next_name in ((3, *CLASSES[0:2]), (7, *CLASSES[1:3]), (14, *CLASSES[2:4])):
        last = timedelta(days=days, minutes=72)
        assert (class_of(last), class_of(last + second)) == (name, next_name)
    assert class_of(timedelta(days=-1)) == CLASSES[0]


@given(st.integers(0, 4_000_000))
def test_classes_are_those_of_days_rounded_as_numpy_rounds_them(seconds):
    import numpy as np

    days = float(np.round(np.float64(seconds) / 86_400, 1))
    assert class_of(timedelta(seconds=seconds)) == CLASSES[sum(days > last for last in (3, 7, 14))]


@pytest.mark.parametrize("mode", ["correct", "paper"])
def test_the_second_parser_agrees(mode):
    task = Mimic3LengthOfStay(mode=mode)
    examples, _ = examples_of(mode=mode)
    recount = parser_of("mimic3")("mimic3-length-of-stay", GOLDEN / "in", task.model_dump())
    found = [(one.example, one.labels, one.text) for one in recount]
    assert found == [(example.example, (example.label,), example.text) for example in examples]


def test_a_broken_time_is_refused_by_place_and_rule(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    path = tmp_path / "raw/ADMISSIONS.csv"
    path.write_bytes(path.read_bytes().replace(b"2104-03-08 10:00:00", b"noon of the 8th"))
    with pytest.raises(BadInput, match="line 5, column DISCHTIME: is no time") as caught:
        examples_of(tmp_path / "raw")
    assert "noon" not in str(caught.value)


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("mimic3-length-of-stay") is Mimic3LengthOfStay
