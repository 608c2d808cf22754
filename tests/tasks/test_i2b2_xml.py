"""i2b2-2012-events and i2b2-2014-deid: lines, tags, subjects and what is noted, in both modes."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.sources.base import SOURCES, RawFiles
from clinpeft.sources.i2b2_2012 import TRAINING
from clinpeft.sources.i2b2_2014 import PHI_TYPES, SET1, TEST
from clinpeft.tasks import i2b2_2012_events, i2b2_2014_deid
from clinpeft.tasks.base import TASKS, BuildLog, Task
from clinpeft.tasks.i2b2_2014_deid import PUBLISHED, I2b22014Deid


@dataclass(frozen=True)
class Corpus:
    """One of the two tasks."""

    name: str
    unknown: tuple[str, bytes, bytes, str]
    """A file, a type in it, one that no release knows, and how the build ends on it."""
    num_patients: int
    split_by: str
    num_subjects: list[int]

    @property
    def golden(self) -> Path:
        """The folder with the hand-made files."""
        return Path(__file__).resolve().parents[1] / "golden" / self.name

    def task(self, **options: str) -> Task:
        return TASKS.get(self.name)(**options)

    def examples_of(self, folder, mode="correct", **options):
        log = BuildLog()
        return list(self.task(mode=mode, **options).examples(RawFiles(folder), log)), log

    def expected(self, name):
        return [json.loads(line) for line in (self.golden / "out" / name).read_text(encoding="utf-8").splitlines()]


EVENTS = Corpus(
    "i2b2-2012-events",
    (f"{TRAINING}/40.xml", b'type="CLINICAL_DEPT"', b'type="WARFARIN"', "line 9: an event's type is none of PROBLEM"),
    40,
    "document",
    [22, 3, 15],
)
DEID = Corpus(
    "i2b2-2014-deid",
    (f"{SET1}/110-01.xml", b'TYPE="DOCTOR"', b'TYPE="WARFARIN"', "line 12: a tag's TYPE is none that the official"),
    30,
    "subject",
    [17, 2, 11],
)


@pytest.fixture(params=[EVENTS, DEID], ids=lambda corpus: corpus.name)
def corpus(request):
    """Each of the two."""
    return request.param


def tagged(examples, name):
    (example,) = (example for example in examples if example.example == name)
    return list(zip(example.tokens, example.tags, strict=True))


def test_the_golden_raw_files_give_the_examples_worked_out_by_hand(corpus):
    examples, _ = corpus.examples_of(corpus.golden / "in")
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
    assert rows == corpus.expected("examples.jsonl")
    assert all(example.document == example.example.partition(":")[0] for example in examples)


def test_what_is_odd_is_noted_by_file_and_line(corpus):
    _, log = corpus.examples_of(corpus.golden / "in")
    found = [{"file": file, "line": line, "code": code} for file, line, code in log.anomalies]
    assert found == corpus.expected("anomalies.jsonl")


@pytest.mark.parametrize("mode", ["correct", "paper"])
def test_words_stand_at_their_offsets_in_the_line(corpus, mode):
    for example in corpus.examples_of(corpus.golden / "in", mode)[0]:
        for token, start, end in zip(example.tokens, example.starts, example.ends, strict=True):
            assert example.text[start:end] == token != ""


def test_an_example_does_not_show_its_text(corpus):
    assert "ZQX-CANARY" not in repr(corpus.examples_of(corpus.golden / "in")[0])


def test_an_unknown_type_ends_the_build_without_being_quoted(tmp_path, corpus):
    file, known, unknown, message = corpus.unknown
    shutil.copytree(corpus.golden / "in", tmp_path / "raw")
    path = tmp_path / "raw" / file
    path.write_bytes(path.read_bytes().replace(known, unknown))
    with pytest.raises(BadInput, match=f"{path.name}, {message}") as caught:
        corpus.examples_of(tmp_path / "raw")
    assert "WARFARIN" not in str(caught.value)


@pytest.mark.parametrize("mode", ["correct", "paper"])
def test_a_dataset_built_from_invented_archives_keeps_the_official_split_and_quotes_no_note(
    tmp_path, monkeypatch, corpus, mode
):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    task = corpus.task(mode=mode)
    SOURCES.get(task.source)().synthesize(tmp_path / task.source, num_patients=corpus.num_patients, seed=1)
    card = build_task(task, corpus.name, tmp_path, tmp_path / "out").card
    split = card.split
    assert (card.mode, split.method, split.by, split.shared_subjects) == (mode, "official", corpus.split_by, 0)
    assert [card.counts[name].subjects for name in ("train", "validation", "test")] == corpus.num_subjects
    assert "ZQX" not in card.model_dump_json()
    verdicts = {item.what: item.verdict for item in card.expected}
    reasons = {item.verdict for item in card.expected if (item.why or "").startswith("the raw files hold ")}
    assert (verdicts["train: documents"], reasons) == ("differs", {"explained"})


def test_lines_and_events_are_counted():
    _, log = EVENTS.examples_of(EVENTS.golden / "in")
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


def test_the_paper_mode_of_2012_cuts_words_at_marks_and_keeps_entities_as_written():
    examples, log = EVENTS.examples_of(EVENTS.golden / "in", "paper")
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


def test_the_paper_mode_of_2012_does_not_check_the_offsets_of_the_test_set():
    examples, _ = EVENTS.examples_of(EVENTS.golden / "in", "paper")
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


def test_of_a_whole_release_the_way_of_counting_explains_other_numbers_of_each_type(monkeypatch):
    monkeypatch.setattr(i2b2_2012_events, "NUM_DOCUMENTS", {"train": 2, "test": 1})
    for mode, why in (("correct", True), ("paper", False)):
        reasons = {what: reason for what, _, _, _, reason in EVENTS.examples_of(EVENTS.golden / "in", mode)[1].expected}
        assert (reasons["all: PROBLEM"] is not None) == why
        assert reasons["train: events"] is None


def test_the_subject_is_the_patient_and_the_document_the_record():
    examples, _ = DEID.examples_of(DEID.golden / "in")
    pairs = dict.fromkeys((example.subject, example.document) for example in examples)
    assert list(pairs)[:3] == [("110", "110-01"), ("110", "110-02"), ("180", "180-03")]


def test_lines_and_tags_are_counted():
    _, log = DEID.examples_of(DEID.golden / "in")
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


def test_the_paper_mode_of_2014_cuts_words_at_marks_and_merges_dates_that_touch():
    examples, log = DEID.examples_of(DEID.golden / "in", "paper")
    assert tagged(examples, "110-02:2") == [
        *(("Seen", "O"), ("10/12/208010/14/2080", "B-DATE"), (",", "O"), ("67", "B-AGE"), ("yo", "O")),
        ("ZQX-CANARY-000002", "O"),
    ]
    assert tagged(examples, "110-01:5")[-1] == ("Oak", "B-HOSPITAL")
    assert tagged(examples, "110-01:6")[0] == ("Valley", "B-HOSPITAL")
    counts = {what: got for what, _, got, _, _ in log.expected}
    assert (counts["train: DATE"], counts["train: HOSPITAL"]) == (2, 1)


def test_the_paper_mode_of_2014_moves_training_tags_and_does_not_check_test_tags():
    examples, _ = DEID.examples_of(DEID.golden / "in", "paper")
    assert tagged(examples, "180-03:3")[0] == ("Karsdale", "B-CITY")
    assert tagged(examples, "300-01:2") == [
        *(("\U0001f600", "O"), ("Mr.", "O"), ("Faust", "B-PATIENT"), ("\u2019s", "O"), ("Portug", "B-COUNTRY")),
        *(("uese", "O"), ("wife", "B-DATE")),
    ]
    assert tagged(examples, "300-01:4") == [
        *(("The", "B-LOCATION-OTHER"), ("fair", "I-LOCATION-OTHER"), ("in", "I-LOCATION-OTHER"), ("Elm", "B-CITY")),
    ]


def test_dates_that_touch_explain_the_number_of_dates_of_a_whole_release_in_paper_mode(monkeypatch):
    monkeypatch.setattr(i2b2_2014_deid, "NUM_DOCUMENTS", {"train": 4, "test": 3})
    for mode in ("correct", "paper"):
        reasons = {what: reason for what, _, _, _, reason in DEID.examples_of(DEID.golden / "in", mode)[1].expected}
        assert (reasons["train: DATE"] is not None) == (mode == "paper")
        assert reasons["train: AGE"] is None
        assert reasons["test: AGE"] == "the raw files hold 2 of 3 test documents"


def test_the_hipaa_subset_leaves_other_types_unmarked_and_the_lines_as_they_are():
    examples, log = DEID.examples_of(DEID.golden / "in", types="hipaa")
    everything, _ = DEID.examples_of(DEID.golden / "in")
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
    monkeypatch.setattr(i2b2_2014_deid, "NUM_DOCUMENTS", {"train": 4, "test": 2})
    _, log = DEID.examples_of(DEID.golden / "in", types="hipaa")
    counts = {what: (got, reason) for what, _, got, _, reason in log.expected}
    assert counts["train: DOCTOR"] == (0, "types=hipaa leaves this type out")
    assert counts["train: CITY"] == (1, None)


@pytest.mark.parametrize("record", ["110-03", "180-04"])
def test_a_patient_in_both_parts_ends_the_build(tmp_path, monkeypatch, record):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    shutil.copytree(DEID.golden / "in", tmp_path / "raw")
    (tmp_path / "raw" / TEST / "300-01.xml").rename(tmp_path / "raw" / TEST / f"{record}.xml")
    with pytest.raises(BadInput, match="1 subjects stand in more than one split"):
        build_task(I2b22014Deid(), "i2b2-2014-deid", tmp_path / "raw", tmp_path / "out")
