"""i2b2-2010-concepts: lines, tokens, tags, splits and what is noted of broken concepts."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText
from clinpeft.sources._i2b2_2010_annotations import CONCEPT_TYPES
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import ARCHIVES, Document, I2b22010
from clinpeft.tasks._i2b2_2010 import validation_documents
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.i2b2_2010_concepts import (
    I2b22010Concepts,
    Mark,
    tags_of,
    without_overlaps,
    words_of,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2010-concepts"


def examples_of(folder):
    log = BuildLog()
    return list(I2b22010Concepts().examples(RawFiles(folder), log)), log


def golden(name):
    return [json.loads(line) for line in (GOLDEN / "out" / name).read_text(encoding="utf-8").splitlines()]


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
        }
        for example in examples
    ]
    assert rows == golden("examples.jsonl")
    assert all(example.subject == example.document == example.example.partition(":")[0] for example in examples)


def test_what_is_odd_about_a_concept_is_noted_by_file_and_line():
    _, log = examples_of(GOLDEN / "in")
    rows = [{"file": file, "line": line, "code": code} for file, line, code in log.anomalies]
    assert rows == golden("anomalies.jsonl")


def test_lines_and_concepts_are_counted():
    _, log = examples_of(GOLDEN / "in")
    assert log.filters == [("lines-with-words", 14, 1), ("concepts-placed", 15, 2), ("not-overlapped", 14, 1)]
    assert ("train: documents", 170, 3, "V", None) in log.expected
    assert ("test: concepts", 31_161, 2, "A", None) in log.expected


def test_paper_mode_trains_on_the_partners_documents_alone():
    log = BuildLog()
    examples = list(I2b22010Concepts(mode="paper").examples(RawFiles(GOLDEN / "in"), log))
    correct, _ = examples_of(GOLDEN / "in")
    assert examples == [example for example in correct if not example.document.startswith("record-")]
    assert log.filters[0] == ("documents-not-of-beth", 3, 2)
    why = "paper mode leaves the beth documents out"
    assert ("train: documents", 170, 1, "V", why) in log.expected
    assert ("test: documents", 256, 2, "V", None) in log.expected


def test_tokens_stand_at_their_offsets_in_the_line():
    examples, _ = examples_of(GOLDEN / "in")
    for example in examples:
        for token, start, end in zip(example.tokens, example.starts, example.ends, strict=True):
            assert example.text[start:end] == token != ""


def test_an_example_does_not_show_its_text():
    examples, _ = examples_of(GOLDEN / "in")
    assert "ZQX-CANARY" not in repr(examples)


def test_a_concept_across_a_line_without_words_marks_the_others(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    (tmp_path / "raw/test_data/0001.txt").write_bytes(b"acute renal\n\x0c\nfailure\n")
    con = tmp_path / "raw" / ARCHIVES[1] / "concepts/0001.con"
    con.write_text('c="renal failure" 1:1 3:0||t="problem"\n')
    examples, _ = examples_of(tmp_path / "raw")
    tags = {example.example: example.tags for example in examples if example.document == "0001"}
    assert tags == {"0001:1": ("O", "B-problem"), "0001:3": ("B-problem",)}


def test_broken_grammar_ends_the_build_without_quoting_the_line(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    path = tmp_path / "raw" / ARCHIVES[1] / "concepts/0001.con"
    path.write_text(path.read_text() + 'c="warfarin" 1:2 1:2\n')
    with pytest.raises(BadInput, match=r"concepts/0001.con, line 3: is not c=") as caught:
        examples_of(tmp_path / "raw")
    assert "warfarin" not in str(caught.value)


def test_a_dataset_built_from_invented_files_keeps_the_official_split_and_quotes_no_note(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    I2b22010().synthesize(tmp_path / "i2b2-2010", num_patients=30, seed=1)
    card = build_task(I2b22010Concepts(), "i2b2-2010-concepts", tmp_path, tmp_path / "out").card
    assert (card.split.method, card.split.by) == ("official", "document")
    assert [card.counts[split].documents for split in ("train", "validation", "test")] == [16, 2, 12]
    assert "ZQX" not in card.model_dump_json()


def documents(part, num):
    return [Document(f"{part}-{number}", part, RawText("x.txt", b""), {}) for number in range(num)]


def test_a_tenth_of_each_hospital_rounded_up_is_validation():
    chosen = validation_documents([*documents("beth", 73), *documents("partners", 97), *documents("test", 9)])
    assert sum(id_.startswith("beth") for id_ in chosen) == 8
    assert sum(id_.startswith("partners") for id_ in chosen) == 10
    assert len(chosen) == 18


def test_validation_does_not_depend_on_the_order_of_the_documents():
    found = documents("beth", 30)
    assert validation_documents(found) == validation_documents(found[::-1])


def test_a_hospital_with_one_document_keeps_it_in_train():
    assert validation_documents(documents("beth", 1)) == set()
    assert len(validation_documents(documents("beth", 2))) == 1
    assert validation_documents([]) == set()


def test_of_overlapping_marks_the_longest_stays_then_the_first_then_the_problem():
    long, inside = Mark(0, 3, "test", 1), Mark(2, 3, "problem", 2)
    assert without_overlaps([inside, long]) == [long]
    left, right = Mark(0, 1, "test", 1), Mark(1, 2, "problem", 2)
    assert without_overlaps([right, left]) == [left]
    problem, treatment = Mark(0, 1, "problem", 9), Mark(0, 1, "treatment", 1)
    assert without_overlaps([treatment, problem]) == [problem]


@st.composite
def some_marks(draw):
    first = draw(st.integers(0, 9))
    return Mark(first, draw(st.integers(first, 9)), draw(st.sampled_from(CONCEPT_TYPES)), draw(st.integers(1, 99)))


@given(st.lists(some_marks(), max_size=8), st.randoms())
def test_the_marks_that_stay_share_no_token_and_do_not_depend_on_their_order(marks, rng):
    kept = without_overlaps(marks)
    tokens = [token for mark in kept for token in range(mark.first, mark.last + 1)]
    assert len(tokens) == len(set(tokens))
    shuffled = sorted(marks, key=lambda _: rng.random())
    assert tags_of(10, without_overlaps(shuffled)) == tags_of(10, kept)


def test_neighbours_of_one_type_stay_two_entities():
    assert tags_of(3, [Mark(0, 0, "problem", 1), Mark(1, 2, "problem", 2)]) == ("B-problem", "B-problem", "I-problem")


def test_words_are_tokens_with_something_to_see():
    assert words_of(" a\t \x0c  \u00a0 b ") == [(1, 2), (9, 10)]
    assert words_of(" \t") == words_of("") == []


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("i2b2-2010-concepts") is I2b22010Concepts
