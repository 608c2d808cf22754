"""i2b2-2010-assertions: the marked line, its assertion, and what is noted of broken annotations."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.sources._i2b2_2010_annotations import Place
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import ARCHIVES, I2b22010
from clinpeft.tasks.base import TASKS, BuildLog, configure
from clinpeft.tasks.i2b2_2010_assertions import I2b22010Assertions, marked

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2010-assertions"
AST = f"{ARCHIVES[0]}/beth/ast/record-1.ast"


def examples_of(folder, **options):
    log = BuildLog()
    return list(I2b22010Assertions(**options).examples(RawFiles(folder), log)), log


def golden(name):
    return [json.loads(line) for line in (GOLDEN / "out" / name).read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture
def raw(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    return tmp_path / "raw"


def test_the_golden_raw_files_give_the_examples_worked_out_by_hand():
    examples, _ = examples_of(GOLDEN / "in")
    rows = [
        {"example": example.example, "split": example.split, "text": example.text, "label": example.label}
        for example in examples
    ]
    assert rows == golden("examples.jsonl")
    assert all(example.subject == example.document == example.example.partition(".")[0] for example in examples)


def test_what_is_odd_about_an_assertion_is_noted_by_file_and_line():
    _, log = examples_of(GOLDEN / "in")
    rows = [{"file": file, "line": line, "code": code} for file, line, code in log.anomalies]
    assert rows == golden("anomalies.jsonl")


def test_assertions_are_counted():
    _, log = examples_of(GOLDEN / "in")
    assert log.filters == [("assertions-placed", 12, 1), ("one-assertion-a-problem", 10, 2)]
    assert ("train: assertions", 7_073, 12, "V", None) in log.expected
    assert ("train: hypothetical", 382, 1, "A", None) in log.expected
    assert ("test: present", 8_622, 1, "A", None) in log.expected


def test_the_published_counts_of_the_six_assertions_add_up():
    _, log = examples_of(GOLDEN / "in")
    for side in ("train", "test"):
        published = {what.removeprefix(f"{side}: "): count for what, count, *_ in log.expected if what.startswith(side)}
        assert sum(published.values()) - published["documents"] == 2 * published["assertions"]


def test_the_words_around_the_problem_can_be_chosen():
    task = configure(I2b22010Assertions, "i2b2-2010-assertions", {"opening": "@", "closing": "@"}, None)
    first, *_ = task.examples(RawFiles(GOLDEN / "in"), BuildLog())
    assert first.text == "Possible @ pneumonia @"
    with pytest.raises(BadInput, match="'opening'"):
        configure(I2b22010Assertions, "i2b2-2010-assertions", {"opening": ""}, None)


def test_an_example_does_not_show_its_text():
    assert "ZQX-CANARY" not in repr(examples_of(GOLDEN / "in"))


@pytest.mark.parametrize(
    "row", ['c="warfarin" 4:2 4:2||t="treatment"||a="present"', 'c="warfarin" 4:2 4:2||t="problem"']
)
def test_an_assertion_about_no_problem_ends_the_build_without_quoting_it(raw, row):
    (raw / AST).write_text((raw / AST).read_text() + row + "\n")
    with pytest.raises(BadInput, match=r"record-1.ast, line 8: is not c=") as caught:
        examples_of(raw)
    assert "warfarin" not in str(caught.value)


@pytest.mark.parametrize(("archive", "side"), [(ARCHIVES[0], "training"), (ARCHIVES[1], "test")])
def test_a_release_without_assertions_is_refused(raw, archive, side):
    for path in list((raw / archive).rglob("*.ast")):
        path.unlink()
    with pytest.raises(BadInput, match=rf"all {side} texts are without .ast; unpack {archive}.tar.gz"):
        examples_of(raw)


def test_assertions_without_their_text_are_refused(raw):
    (raw / AST).rename((raw / AST).with_name("record-9.ast"))
    with pytest.raises(BadInput, match=r"record-9.ast: has no .txt of the same name"):
        examples_of(raw)


@given(st.text("ab \U0001f600\u2019", max_size=9), st.text("ab ", max_size=9), st.text("xy \U0001f600", min_size=1))
def test_marking_adds_the_two_marks_and_nothing_else(before, after, words):
    line = before + words + after
    text = marked(["", line], [Place(2, len(before), len(before) + len(words))], "<", ">")
    assert text == f"{before}< {words} >{after}"


def test_a_dataset_built_from_invented_files_keeps_the_official_split_and_quotes_no_note(tmp_path):
    known = I2b22010().synthesize(tmp_path / "i2b2-2010", num_patients=60, seed=1)
    card = build_task(I2b22010Assertions(), "i2b2-2010-assertions", tmp_path, tmp_path / "out").card
    assert (card.split.method, card.split.by, card.split.shared_subjects) == ("official", "document", 0)
    assert [card.counts[split].subjects for split in ("train", "validation", "test")] == [31, 5, 24]
    assert "ZQX" not in card.model_dump_json()
    assert {row.code for row in card.anomalies if row.file.endswith(".ast")} == set()
    assert known["best_assertion_accuracy"] == 0.95


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("i2b2-2010-assertions") is I2b22010Assertions
