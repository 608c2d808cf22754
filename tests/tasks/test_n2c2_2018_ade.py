"""n2c2-2018-ade: windows, tokens, tags, spans, splits, and what is noted of broken annotations."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.build import build_task
from clinpeft.data.checks import problem_of
from clinpeft.errors import BadInput
from clinpeft.sources._n2c2_2018_annotations import ENTITY_TYPES, Entity
from clinpeft.sources.base import RawFiles
from clinpeft.sources.n2c2_2018 import N2c22018
from clinpeft.tasks._iob2 import tokens_in
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.n2c2_2018_ade import N2c22018Ade, windows_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden/n2c2-2018-ade"


def examples_of(folder, **options):
    log = BuildLog()
    return list(N2c22018Ade(**options).examples(RawFiles(folder), log)), log


def golden(name):
    return [json.loads(line) for line in (GOLDEN / "out" / name).read_text(encoding="utf-8").splitlines()]


def entity(start, end, label="Drug"):
    return Entity("T1", label, ((start, end),), "", 1)


def windows(text, max_words, *places):
    return [text[start:end] for start, end in windows_of(text, [entity(*place) for place in places], max_words)]


def test_the_golden_raw_files_give_the_examples_worked_out_by_hand():
    examples, _ = examples_of(GOLDEN / "in", max_words=20)
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


def test_what_is_odd_about_a_file_is_noted_by_line():
    _, log = examples_of(GOLDEN / "in")
    rows = [{"file": file, "line": line, "code": code} for file, line, code in log.anomalies]
    assert rows == golden("anomalies.jsonl")


def test_documents_and_entities_are_counted_beside_the_published_numbers():
    _, log = examples_of(GOLDEN / "in")
    assert log.filters == [("entities-in-the-text", 18, 1), ("entities-tagged-not-overlapped", 17, 1)]
    assert ("train: documents", 303, 2, "A", None) in log.expected
    assert ("test: documents", 202, 3, "A", None) in log.expected
    assert ("train: entities", 50_951, 15, "A", None) in log.expected
    assert ("test: entities", 32_918, 4, "A", None) in log.expected
    assert ("test: Drug", 10_575, 3, "A", None) in log.expected


def test_by_default_a_short_note_is_one_window():
    examples, _ = examples_of(GOLDEN / "in")
    assert [example.example for example in examples] == [f"10000{number}:0" for number in range(1, 6)]


def test_an_example_does_not_show_its_text():
    examples, _ = examples_of(GOLDEN / "in")
    assert "warfarin" not in repr(examples)


def test_broken_grammar_ends_the_build_without_quoting_the_line(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    with (tmp_path / "raw/training_20180910/100001.ann").open("a") as file:
        file.write("T99\tDrug warfarin\n")
    with pytest.raises(BadInput, match=r"^training_20180910/100001.ann, line 18: is no entity") as caught:
        examples_of(tmp_path / "raw")
    assert "warfarin" not in str(caught.value)


def test_paragraphs_are_joined_while_they_fit():
    assert windows("a b\n\nc d\n\ne f", 4) == ["a b\n\nc d", "e f"]
    assert windows("a b\n\nc d\n\ne f", 6) == ["a b\n\nc d\n\ne f"]
    assert windows("a b\n\nc d\n\ne f", 1) == ["a b", "c d", "e f"]


def test_a_paragraph_too_long_is_taken_line_by_line():
    assert windows("a b\nc d\ne f", 4) == ["a b\nc d", "e f"]
    assert windows("x\n\na b\nc d\ne f", 4) == ["x\n\na b", "c d\ne f"]


def test_no_window_ends_inside_an_entity():
    assert windows("a b\nc d\ne f", 2, (2, 5)) == ["a b\nc d", "e f"]
    assert windows("a b\n\nc d\n\ne f", 2, (0, 1), (7, 11)) == ["a b", "c d\n\ne f"]


def test_an_entity_over_many_lines_holds_them_all_together():
    assert windows("a\nb\nc\nd\ne", 1, (0, 7), (2, 3)) == ["a\nb\nc\nd", "e"]


def test_windows_have_no_blanks_at_their_ends_and_blank_text_has_none():
    assert windows(" \n\n  a b  \r\n\n", 9) == ["a b"]
    assert windows("", 9) == windows(" \n\t\n", 9) == []


def test_tokens_are_letters_digits_and_single_signs():
    text = "q6h x10_\u00b5g/\u00e9t\u00e9\u00a0\U0001f600"
    assert [text[start:end] for start, end in tokens_in(text)] == [
        *("q", "6", "h", "x", "10", "_", "\u00b5g", "/", "\u00e9t\u00e9", "\U0001f600"),
    ]


@given(
    st.text("ab \n\r", max_size=80),
    st.lists(st.tuples(st.integers(0, 79), st.integers(1, 30)), max_size=4),
    st.integers(1, 9),
)
def test_windows_hold_every_word_once_and_every_entity_whole(text, raw, max_words):
    places = [(start, min(start + length, len(text))) for start, length in raw if start < len(text)]
    places = [(start, end) for start, end in places if text[start].strip() and text[end - 1].strip()]
    found = windows_of(text, [entity(*place) for place in places], max_words)
    assert [word for start, end in found for word in text[start:end].split()] == text.split()
    assert all(sum(first <= start and end <= last for first, last in found) == 1 for start, end in places)
    if not places:
        longest_line = max((len(line.split()) for line in text.split("\n")), default=0)
        assert all(len(text[start:end].split()) <= max(max_words, longest_line) for start, end in found)


def test_a_dataset_built_from_invented_archives_is_official_and_sound(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    N2c22018().synthesize(tmp_path / "n2c2-2018", num_patients=30, seed=1)
    dataset = build_task(N2c22018Ade(), "n2c2-2018-ade", tmp_path, tmp_path / "out")
    card = dataset.card
    assert (card.split.method, card.split.by, card.split.shared_subjects) == ("official", "document", 0)
    assert [card.counts[split].documents for split in ("train", "validation", "test")] == [16, 2, 12]
    assert "ZQX" not in card.model_dump_json()
    examples = dataset.examples("test")
    assert [problem_of(example, "entities", ENTITY_TYPES) for example in examples] == [None] * len(examples)


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("n2c2-2018-ade") is N2c22018Ade
