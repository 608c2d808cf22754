"""i2b2-2010-relations: which pairs are made, how they are marked and labelled, and the published way of doing it."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.sources._i2b2_2010_annotations import CONCEPT_TYPES, RELATIONS, Place
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import ARCHIVES, I2b22010
from clinpeft.tasks._i2b2_2010_pairs import Mention, can_relate, replaced, wrapped
from clinpeft.tasks.base import TASKS, BuildLog, Span, configure
from clinpeft.tasks.i2b2_2010_relations import I2b22010Relations

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2010-relations"
REL = f"{ARCHIVES[0]}/beth/rel/record-1.rel"


def examples_of(folder, **options):
    log = BuildLog()
    return list(I2b22010Relations(**options).examples(RawFiles(folder), log)), log


def golden(name):
    return [json.loads(line) for line in (GOLDEN / "out" / name).read_text(encoding="utf-8").split("\n") if line]


def plain(span):
    return [span.start, span.end, span.label]


def rows_of(examples):
    return [
        {
            "example": example.example,
            "split": example.split,
            "text": example.text,
            "label": example.label,
            "head": plain(example.head),
            "tail": plain(example.tail),
        }
        for example in examples
    ]


@pytest.fixture
def raw(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    return tmp_path / "raw"


def test_the_golden_raw_files_give_the_examples_worked_out_by_hand():
    examples, _ = examples_of(GOLDEN / "in")
    assert rows_of(examples) == golden("examples.jsonl")
    assert all(example.subject == example.document == example.example.partition(".")[0] for example in examples)


def test_paper_mode_gives_the_rows_of_blue_worked_out_by_hand():
    examples, _ = examples_of(GOLDEN / "in", mode="paper")
    assert rows_of(examples) == golden("examples-paper.jsonl")


def test_what_is_odd_about_a_relation_is_noted_by_file_and_line():
    _, log = examples_of(GOLDEN / "in")
    rows = [{"file": file, "line": line, "code": code} for file, line, code in log.anomalies]
    assert rows == golden("anomalies.jsonl")


def test_relations_and_pairs_are_counted():
    _, log = examples_of(GOLDEN / "in")
    assert log.filters == [
        ("relations-between-concepts", 10, 1),
        ("relations-on-pairs", 9, 1),
        ("one-relation-a-pair", 7, 2),
        ("pairs-with-a-problem", 11, 2),
    ]
    assert ("train: relations", 3_120, 10, "A", None) in log.expected
    assert ("test: relations", 6_293, 1, "V", None) in log.expected
    assert ("train: TeRP", 993, 2, "A", None) in log.expected


def test_paper_mode_compares_with_the_rows_of_blue():
    _, log = examples_of(GOLDEN / "in", mode="paper")
    got = {what: (published, number, why is None) for what, published, number, _, why in log.expected}
    assert got["BLUE train: related pairs"] == (3_110, 8, False)
    assert got["BLUE validation: related pairs"] == (11, 1, False)
    assert got["BLUE test: pairs"] == (43_000, 2, True)
    assert log.filters[2:] == [("one-relation-a-pair", 10, 0), ("pairs", 17, 0)]


def test_the_published_counts_of_the_eight_relations_add_up():
    _, log = examples_of(GOLDEN / "in")
    for side in ("train", "test"):
        published = {what.removeprefix(f"{side}: "): count for what, count, *_ in log.expected if what.startswith(side)}
        assert sum(published[name] for name in RELATIONS) == published["relations"]


def test_all_pairs_of_a_line_can_be_asked_for():
    typed, all_pairs = examples_of(GOLDEN / "in")[0], examples_of(GOLDEN / "in", pairs="all")[0]
    added = {example.example: example.label for example in all_pairs if example not in typed}
    assert added == {"record-1.con:7-8": "TrAP", "0001.con:1-2": "none"}
    assert len(all_pairs) == len(typed) + 2


def test_replaced_mentions_show_the_type_of_the_concept_that_stands_there():
    first, *_ = examples_of(GOLDEN / "in", markers="replace")[0]
    assert first.text == " @treatment$ was given for  @problem$ ."
    assert [first.text[span.start : span.end] for span in (first.head, first.tail)] == ["@treatment$", "@problem$"]


def test_paper_mode_stands_on_the_card_with_its_options_and_takes_no_others():
    task = configure(I2b22010Relations, "i2b2-2010-relations", {}, "paper")
    assert (task.pairs, task.markers) == ("all", "replace")
    with pytest.raises(BadInput, match="paper mode takes pairs=all and markers=replace"):
        configure(I2b22010Relations, "i2b2-2010-relations", {"pairs": "typed"}, "paper")


def test_an_example_does_not_show_its_text():
    assert "ZQX-CANARY" not in repr(examples_of(GOLDEN / "in"))


def test_broken_grammar_ends_the_build_without_quoting_the_line(raw):
    (raw / REL).write_text((raw / REL).read_text() + 'c="warfarin" 1:2 1:2||r="TrXP"||c="clot" 1:3 1:3\n')
    with pytest.raises(BadInput, match=r"record-1.rel, line 8: is not c=") as caught:
        examples_of(raw)
    assert "warfarin" not in str(caught.value)


def test_a_document_without_its_relation_file_has_no_pairs_as_nobody_knows_their_labels(raw):
    (raw / REL).unlink()
    examples, log = examples_of(raw)
    assert not [example for example in examples if example.document == "record-1"]
    assert (f"{ARCHIVES[0]}/beth/txt/record-1.txt", None, "no-relation-file") in log.anomalies


def test_an_empty_relation_file_leaves_all_pairs_unrelated(raw):
    (raw / REL).write_bytes(b"")
    labels = {example.label for example in examples_of(raw)[0] if example.document == "record-1"}
    assert labels == {"none"}


def test_a_release_without_relations_is_refused(raw):
    for path in list((raw / ARCHIVES[1]).rglob("*.rel")):
        path.unlink()
    with pytest.raises(BadInput, match=rf"all test texts are without .rel; unpack {ARCHIVES[1]}.tar.gz"):
        examples_of(raw)


def test_of_concepts_at_one_place_the_one_that_the_relation_can_tie_is_meant(raw):
    con = raw / ARCHIVES[0] / "beth/concept/record-2.con"
    con.write_bytes(b'c="aspirin" 1:3 1:3||t="test"\n' + con.read_bytes())
    related = {example.example: example.label for example in examples_of(raw)[0] if example.label == "TrWP"}
    assert related == {"record-2.con:2-3": "TrWP"}
    in_paper_mode = [example.example for example in examples_of(raw, mode="paper")[0] if example.label == "TrWP"]
    assert in_paper_mode == ["record-2.con:1-2"]


def test_a_relation_of_two_concepts_at_one_place_is_lost_in_paper_mode(raw):
    folder = raw / ARCHIVES[0] / "beth"
    con = folder / "concept/record-2.con"
    con.write_bytes(con.read_bytes() + b'c="aspirin" 1:3 1:3||t="problem"\n')
    (folder / "rel/record-2.rel").write_bytes(b'c="aspirin" 1:3 1:3||r="TrCP"||c="aspirin" 1:3 1:3\n')
    assert [one.label for one in examples_of(raw)[0] if one.document == "record-2"].count("TrCP") == 1
    examples, log = examples_of(raw, mode="paper")
    assert {one.label for one in examples if one.document == "record-2"} == {"none"}
    assert "relation-without-concept" in {code for file, _, code in log.anomalies if file.endswith("record-2.rel")}


def test_every_relation_ties_a_problem_to_one_type():
    pairs = {name: {kind for kind in CONCEPT_TYPES if can_relate(name, kind, "problem")} for name in RELATIONS}
    assert pairs["PIP"] == {"problem"}
    assert pairs["TeRP"] == pairs["TeCP"] == {"test"}
    assert all(pairs[name] == {"treatment"} for name in RELATIONS if name.startswith("Tr"))


def test_touching_mentions_become_one_mark():
    first, second = Mention(1, "problem", (Place(1, 3, 5),)), Mention(2, "treatment", (Place(1, 0, 3),))
    pair = replaced(["abcde f"], first, second, is_paper=False)
    assert (pair.text, pair.head, pair.tail) == (
        "@treatment-problem$ f",
        Span(0, 19, "treatment"),
        Span(0, 19, "problem"),
    )
    assert replaced(["abcde f"], first, second, is_paper=True).text == "@problem-treatment$ f"


@st.composite
def two_mentions(draw):
    """A line of words, emoji among them, and two stretches of whole words."""
    words = draw(st.lists(st.text("ab\U0001f600\u2019@$", min_size=1, max_size=4), min_size=1, max_size=6))
    starts = [sum(len(word) + 1 for word in words[:index]) for index in range(len(words))]
    mentions = []
    for row in (1, 2):
        first = draw(st.integers(0, len(words) - 1))
        last = draw(st.integers(first, len(words) - 1))
        place = Place(1, starts[first], starts[last] + len(words[last]))
        mentions.append(Mention(row, draw(st.sampled_from(CONCEPT_TYPES)), (place,)))
    return " ".join(words), mentions


@given(two_mentions())
def test_wrapped_mentions_stand_at_their_offsets_head_first(case):
    line, mentions = case
    pair = wrapped([line], *mentions)
    assert pair.text == line
    assert (pair.head.start, pair.head.end) <= (pair.tail.start, pair.tail.end)
    spans = sorted((span.start, span.end) for span in (pair.head, pair.tail))
    assert spans == sorted((mention.places[0].start, mention.places[0].end) for mention in mentions)


@given(two_mentions(), st.booleans())
def test_replaced_mentions_leave_the_rest_of_the_line_as_it_is(case, is_paper):
    line, mentions = case
    pair = replaced([line], *mentions, is_paper=is_paper)
    (start, end), (next_start, next_end) = sorted((m.places[0].start, m.places[0].end) for m in mentions)
    assert pair.text.startswith(line[:start])
    assert pair.text.endswith(line[max(end, next_end) :])
    shown = [pair.text[span.start : span.end] for span in (pair.head, pair.tail)]
    if next_start <= end:
        assert shown[0] == shown[1]
    else:
        assert pair.text[pair.head.end : pair.tail.start] == line[end:next_start]
        assert sorted(shown) == sorted(f"@{mention.type}$" for mention in mentions)
        assert is_paper or shown == [f"@{pair.head.label}$", f"@{pair.tail.label}$"]


def test_a_dataset_built_from_invented_files_keeps_the_official_split_and_quotes_no_note(tmp_path):
    I2b22010().synthesize(tmp_path / "i2b2-2010", num_patients=60, seed=1)
    card = build_task(I2b22010Relations(), "i2b2-2010-relations", tmp_path, tmp_path / "out").card
    assert (card.split.method, card.split.by, card.split.shared_subjects) == ("official", "document", 0)
    assert card.labels == (*RELATIONS, "none")
    assert "ZQX" not in card.model_dump_json()


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("i2b2-2010-relations") is I2b22010Relations
