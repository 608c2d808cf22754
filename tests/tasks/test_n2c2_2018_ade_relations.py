"""n2c2-2018-ade-relations: candidate pairs, their text and label, and related pairs out of reach."""

import json
from pathlib import Path

from clinpeft.data.build import build_task
from clinpeft.data.checks import problem_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.n2c2_2018 import N2c22018
from clinpeft.tasks.base import TASKS, BuildLog
from clinpeft.tasks.n2c2_2018_ade_relations import N2c22018AdeRelations

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
RAW = GOLDEN / "n2c2-2018-ade/in"


def examples_of(**options):
    log = BuildLog()
    return list(N2c22018AdeRelations(**options).examples(RawFiles(RAW), log)), log


def row(example):
    head, tail = ([span.start, span.end, span.label] for span in (example.head, example.tail))
    values = {"example": example.example, "split": example.split, "text": example.text}
    return {**values, "head": head, "tail": tail, "label": example.label}


def test_the_golden_raw_files_give_the_pairs_worked_out_by_hand():
    examples, _ = examples_of()
    lines = (GOLDEN / "n2c2-2018-ade-relations/out/examples.jsonl").read_text(encoding="utf-8").splitlines()
    assert [row(example) for example in examples] == [json.loads(line) for line in lines]


def test_related_pairs_out_of_reach_are_counted():
    _, log = examples_of()
    assert log.filters == [
        ("train-related-pairs-within-1-sentences-of-each-other", 8, 1),
        ("test-related-pairs-within-1-sentences-of-each-other", 1, 0),
    ]


def test_the_reach_is_an_option():
    examples, log = examples_of(max_distance=0)
    assert log.filters[0][1:] == (8, 1)
    assert log.filters[1][1:] == (0, 1)
    assert not any(example.example == "100001:T2:T6" for example in examples)
    examples, log = examples_of(max_distance=2)
    assert log.filters[0][1:] == (9, 0)
    related = next(example for example in examples if example.example == "100001:T7:T1")
    assert related.label == "ADE-Drug"
    assert related.text.endswith("No bleeding.")


def test_relations_are_counted_beside_the_published_numbers():
    _, log = examples_of()
    assert ("train: relations", 36_348, 11, "A", None) in log.expected
    assert ("test: relations", 23_462, 2, "A", None) in log.expected
    assert ("test: Duration-Drug", 426, 1, "A", None) in log.expected


def test_head_is_the_attribute_and_tail_the_drug():
    examples, _ = examples_of()
    assert all(example.tail.label == "Drug" != example.head.label for example in examples)
    assert all(example.label in {"none", f"{example.head.label}-Drug"} for example in examples)


def test_a_dataset_built_from_invented_archives_splits_like_the_entities(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))
    N2c22018().synthesize(tmp_path / "n2c2-2018", num_patients=30, seed=1)
    dataset = build_task(N2c22018AdeRelations(), "n2c2-2018-ade-relations", tmp_path, tmp_path / "out")
    card = dataset.card
    assert (card.split.method, card.split.by, card.split.shared_subjects) == ("official", "document", 0)
    assert [card.counts[split].documents for split in ("train", "validation", "test")] == [16, 2, 12]
    assert card.labels[-1] == "none"
    assert "ZQX" not in card.model_dump_json()
    examples = dataset.examples("test")
    assert [problem_of(example, "relations", card.labels) for example in examples] == [None] * len(examples)


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("n2c2-2018-ade-relations") is N2c22018AdeRelations
