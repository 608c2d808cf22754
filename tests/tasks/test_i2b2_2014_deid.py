"""i2b2-2014-deid: lines, tags, patients and what is noted, in both modes."""

import json
import shutil
from pathlib import Path

import pytest

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2014 import PHI_TYPES, SET1, TEST, I2b22014
from clinpeft.tasks import i2b2_2014_deid as task_module
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.i2b2_2014_deid import PUBLISHED, I2b22014Deid

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2014-deid"


def examples_of(folder, mode="correct", types="all"):
    log = BuildLog()
    return list(I2b22014Deid(mode=mode, types=types).examples(RawFiles(folder), log)), log


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


def test_the_subject_is_the_patient_and_the_document_the_record():
    examples, _ = examples_of(GOLDEN / "in")
    pairs = dict.fromkeys((example.subject, example.document) for example in examples)
    assert list(pairs)[:3] == [("110", "110-01"), ("110", "110-02"), ("180", "180-03")]


def test_what_is_odd_is_noted_by_file_and_line():
    _, log = examples_of(GOLDEN / "in")
    assert [{"file": file, "line": line, "code": code} for file, line, code in log.anomalies] == golden(
        "anomalies.jsonl"
    )


def test_lines_and_tags_are_counted():
    _, log = examples_of(GOLDEN / "in")
    assert log.filters == [
        ("lines-with-words", 11, 14),
        ("tags-placed", 15, 1),
        ("tags-of-the-release", 14, 1),
        ("not-overlapped", 12, 2),
    ]
    counts = {what: (published, got) for what, published, got, _, _ in log.expected}
    assert counts["train: documents"] == (790, 4)
    assert counts["patients"] == (296, 5)
    assert counts["train: tags"] == (17_410, 10)
    assert counts["train: DATE"] == (7_507, 2)
    assert counts["test: PATIENT"] == (879, 2)


def test_the_published_counts_add_up_to_the_published_total():
    for part in (0, 1):
        types = sum(counts[part] for what, counts in PUBLISHED.items() if what.isupper())
        assert types == PUBLISHED["tags"][part]


def test_the_paper_mode_cuts_words_at_marks_and_merges_dates_that_touch():
    examples, log = examples_of(GOLDEN / "in", "paper")
    assert tagged(examples, "110-02:2") == [
        *(("Seen", "O"), ("10/12/208010/14/2080", "B-DATE"), (",", "O"), ("67", "B-AGE"), ("yo", "O")),
        ("ZQX-CANARY-000002", "O"),
    ]
    assert tagged(examples, "110-01:5")[-1] == ("Oak", "B-HOSPITAL")
    assert tagged(examples, "110-01:6")[0] == ("Valley", "B-HOSPITAL")
    counts = {what: got for what, _, got, _, _ in log.expected}
    assert (counts["train: DATE"], counts["train: HOSPITAL"]) == (2, 1)


def test_the_paper_mode_moves_training_tags_and_does_not_check_test_tags():
    examples, _ = examples_of(GOLDEN / "in", "paper")
    assert tagged(examples, "180-03:3")[0] == ("Karsdale", "B-CITY")
    assert tagged(examples, "300-01:2") == [
        *(("\U0001f600", "O"), ("Mr.", "O"), ("Faust", "B-PATIENT"), ("\u2019s", "O"), ("Portug", "B-COUNTRY")),
        *(("uese", "O"), ("wife", "B-DATE")),
    ]
    assert tagged(examples, "300-01:4") == [
        *(("The", "B-LOCATION-OTHER"), ("fair", "I-LOCATION-OTHER"), ("in", "I-LOCATION-OTHER"), ("Elm", "B-CITY")),
    ]


def test_dates_that_touch_explain_the_number_of_dates_of_a_whole_release_in_paper_mode(monkeypatch):
    monkeypatch.setattr(task_module, "NUM_DOCUMENTS", {"train": 4, "test": 3})
    for mode in ("correct", "paper"):
        reasons = {what: reason for what, _, _, _, reason in examples_of(GOLDEN / "in", mode)[1].expected}
        assert (reasons["train: DATE"] is not None) == (mode == "paper")
        assert reasons["train: AGE"] is None
        assert reasons["test: AGE"] == "the raw files hold 2 of 3 test documents"


def test_the_hipaa_subset_leaves_other_types_unmarked_and_the_lines_as_they_are():
    examples, log = examples_of(GOLDEN / "in", types="hipaa")
    everything, _ = examples_of(GOLDEN / "in")
    assert [(one.example, one.tokens) for one in examples] == [(one.example, one.tokens) for one in everything]
    assert {span.label for one in examples for span in one.spans} == {
        *("DATE", "AGE", "STREET", "CITY", "ORGANIZATION", "PATIENT"),
    }
    assert set(log.labels) < set(PHI_TYPES)
    assert {"DOCTOR", "HOSPITAL", "STATE", "COUNTRY", "LOCATION-OTHER", "URL"}.isdisjoint(log.labels)
    reasons = {what: reason for what, _, _, _, reason in log.expected}
    assert reasons["train: documents"] is None
    assert reasons["train: DOCTOR"] == "the raw files hold 4 of 790 train documents"


def test_of_a_whole_release_the_option_explains_the_types_that_it_leaves_out(monkeypatch):
    monkeypatch.setattr(task_module, "NUM_DOCUMENTS", {"train": 4, "test": 2})
    _, log = examples_of(GOLDEN / "in", types="hipaa")
    counts = {what: (got, reason) for what, _, got, _, reason in log.expected}
    assert counts["train: DOCTOR"] == (0, "types=hipaa leaves this type out")
    assert counts["train: CITY"] == (1, None)


def test_an_unknown_type_ends_the_build_without_being_quoted(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    path = tmp_path / "raw" / SET1 / "110-01.xml"
    path.write_bytes(path.read_bytes().replace(b'TYPE="DOCTOR"', b'TYPE="OGRADY"'))
    with pytest.raises(BadInput, match=r"110-01.xml, line 12: a tag's TYPE is none that the official") as caught:
        examples_of(tmp_path / "raw")
    assert "OGRADY" not in str(caught.value)


@pytest.mark.parametrize("record", ["110-03", "180-04"])
def test_a_patient_in_both_parts_ends_the_build(tmp_path, monkeypatch, record):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    (tmp_path / "raw" / TEST / "300-01.xml").rename(tmp_path / "raw" / TEST / f"{record}.xml")
    with pytest.raises(BadInput, match="1 subjects stand in more than one split"):
        build_task(I2b22014Deid(), "i2b2-2014-deid", tmp_path / "raw", tmp_path / "out")


@pytest.mark.parametrize("mode", ["correct", "paper"])
def test_a_dataset_built_from_invented_archives_keeps_the_official_split_and_quotes_no_note(
    tmp_path, monkeypatch, mode
):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    I2b22014().synthesize(tmp_path / "i2b2-2014", num_patients=30, seed=1)
    card = build_task(I2b22014Deid(mode=mode), "i2b2-2014-deid", tmp_path, tmp_path / "out").card
    assert (card.mode, card.split.method, card.split.by, card.split.shared_subjects) == (mode, "official", "subject", 0)
    assert [card.counts[split].subjects for split in ("train", "validation", "test")] == [17, 2, 11]
    assert "ZQX" not in card.model_dump_json()


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("i2b2-2014-deid") is I2b22014Deid
