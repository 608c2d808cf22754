"""i2b2-2012-events: lines, tags and what is noted, in both modes."""

import json
import shutil
from pathlib import Path

import pytest

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2012 import TRAINING, I2b22012
from clinpeft.tasks import i2b2_2012_events as task_module
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.i2b2_2012_events import I2b22012Events

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2012-events"


def examples_of(folder, mode="correct"):
    log = BuildLog()
    return list(I2b22012Events(mode=mode).examples(RawFiles(folder), log)), log


def golden(name):
    return [json.loads(line) for line in (GOLDEN / "out" / name).read_text(encoding="utf-8").splitlines()]


def tagged(examples, name):
    (example,) = (example for example in examples if example.example == name)
    return list(zip(example.tokens, example.tags, strict=True))


def test_the_golden_raw_files_give_the_examples_worked_out_by_hand():
    examples, _ = examples_of(GOLDEN / "in")
    rows = [
        {
            "example": example.example,
            "split": example.split,
            "text": example.text,
            "tokens": list(example.tokens),
            "starts": list(example.starts),
            "ends": list(example.ends),
            "tags": list(example.tags),
            "spans": [[span.start, span.end, span.label] for span in example.spans],
        }
        for example in examples
    ]
    assert rows == golden("examples.jsonl")
    assert all(example.subject == example.document == example.example.partition(":")[0] for example in examples)


def test_what_is_odd_is_noted_by_file_and_line():
    _, log = examples_of(GOLDEN / "in")
    assert [{"file": file, "line": line, "code": code} for file, line, code in log.anomalies] == golden(
        "anomalies.jsonl"
    )


def test_lines_and_events_are_counted():
    _, log = examples_of(GOLDEN / "in")
    assert log.filters == [
        ("lines-with-words", 9, 7),
        ("events-placed", 13, 1),
        ("events-with-type", 12, 1),
        ("not-overlapped", 11, 1),
    ]
    counts = {what: (published, got, evidence) for what, published, got, evidence, _ in log.expected}
    assert counts["train: documents"] == (190, 2, "V")
    assert counts["train: events"] == (16_468, 11, "A")
    assert counts["test: events"] == (13_594, 3, "A")
    assert counts["all: PROBLEM"] == (9_319, 3, "V")
    assert counts["all: TREATMENT"] == (7_098, 2, "V")


def test_the_paper_mode_cuts_words_at_marks_and_keeps_entities_as_written():
    examples, log = examples_of(GOLDEN / "in", "paper")
    assert tagged(examples, "23:5") == [
        *(("The", "O"), ("patient&apos;s", "O"), ("R&amp;D", "B-TEST"), ("test", "I-TEST")),
        *(("showed", "B-EVIDENTIAL"), ("acute", "B-PROBLEM"), ("renal", "I-PROBLEM")),
    ]
    assert tagged(examples, "23:6") == [
        *(("failure", "B-PROBLEM"), ("&amp;", "I-PROBLEM"), ("nausea", "I-PROBLEM"), (".", "O")),
    ]
    assert tagged(examples, "40:3") == [("aspirin/heparin", "B-TREATMENT"), ("given", "O"), (".", "O")]
    counts = {what: got for what, _, got, _, _ in log.expected}
    assert (counts["all: PROBLEM"], counts["all: TREATMENT"]) == (3, 1)


def test_the_paper_mode_does_not_check_the_offsets_of_the_test_set():
    examples, _ = examples_of(GOLDEN / "in", "paper")
    assert tagged(examples, "53:2")[:6] == [
        *(
            ("She\u2019s", "O"),
            ("see", "O"),
            ("n", "B-OCCURRENCE"),
            ("fo", "I-OCCURRENCE"),
            ("r", "O"),
            ("knee", "B-PROBLEM"),
        ),
    ]


def test_words_stand_at_their_offsets_in_the_line():
    for mode in ("correct", "paper"):
        for example in examples_of(GOLDEN / "in", mode)[0]:
            for token, start, end in zip(example.tokens, example.starts, example.ends, strict=True):
                assert example.text[start:end] == token != ""


def test_of_a_whole_release_the_way_of_counting_explains_other_numbers_of_each_type(monkeypatch):
    monkeypatch.setattr(task_module, "NUM_DOCUMENTS", {"train": 2, "test": 1})
    for mode, why in (("correct", True), ("paper", False)):
        reasons = {what: reason for what, _, _, _, reason in examples_of(GOLDEN / "in", mode)[1].expected}
        assert (reasons["all: PROBLEM"] is not None) == why
        assert reasons["train: events"] is None


def test_an_example_does_not_show_its_text():
    assert "ZQX-CANARY" not in repr(examples_of(GOLDEN / "in")[0])


def test_an_unknown_type_ends_the_build_without_being_quoted(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    path = tmp_path / "raw" / TRAINING / "40.xml"
    path.write_bytes(path.read_bytes().replace(b'type="CLINICAL_DEPT"', b'type="WARFARIN"'))
    with pytest.raises(BadInput, match=r"40.xml, line 9: an event's type is none of PROBLEM") as caught:
        examples_of(tmp_path / "raw")
    assert "WARFARIN" not in str(caught.value)


@pytest.mark.parametrize("mode", ["correct", "paper"])
def test_a_dataset_built_from_invented_archives_keeps_the_official_split_and_quotes_no_note(
    tmp_path, monkeypatch, mode
):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    I2b22012().synthesize(tmp_path / "i2b2-2012", num_patients=40, seed=1)
    card = build_task(I2b22012Events(mode=mode), "i2b2-2012-events", tmp_path, tmp_path / "out").card
    assert (card.mode, card.split.method, card.split.by, card.split.shared_subjects) == (
        mode,
        "official",
        "document",
        0,
    )
    assert [card.counts[split].documents for split in ("train", "validation", "test")] == [22, 3, 15]
    assert "ZQX" not in card.model_dump_json()
    verdicts = {item.what: (item.verdict, item.why) for item in card.expected}
    assert verdicts["train: documents"] == ("differs", None)
    assert verdicts["train: events"] == ("explained", "the raw files hold 25 of 190 train documents")


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("i2b2-2012-events") is I2b22012Events
