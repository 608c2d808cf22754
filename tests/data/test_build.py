from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from clinpeft.data.build import WatchedFiles, build_task, write_dataset
from clinpeft.data.card import Contamination, Duplicates, Words
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.description import Description
from clinpeft.data.site import hashed_id, site_key
from clinpeft.data.split import split_by_hash
from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Span, Task


class Visits(Task):
    """A table of visits without an official split."""

    kind: ClassVar[Kind] = "classification"
    source: ClassVar[str] = "tabular"
    metric: ClassVar[str] = "auroc"
    positive: ClassVar[str | None] = "yes"
    title: ClassVar[str] = "whether a visit ends well"
    citation: ClassVar[str] = "none"
    download: ClassVar[str] = "make it"
    licence: ClassVar[str] = "none"
    terms: ClassVar[tuple[str, ...]] = ("stays in-house",)
    is_not: ClassVar[str] = "a real task"

    least: int = 0

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """Rows of visits.csv."""
        path = raw.root / "visits.csv"
        raw.note(path)
        rows = [line.split(",") for line in path.read_text().splitlines()]
        kept = [row for row in rows if int(row[0]) >= self.least]
        log.filtered("least", len(kept), len(rows) - len(kept))
        log.expect("rows", 100, len(rows), "A")
        for number, patient, label in kept:
            yield Example(number, patient, number, f"visit {number} of {patient}", label=label)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    lines = [f"{row},{row // 2},{'yes' if row % 3 == 0 else 'no'}" for row in range(100)]
    (folder / "visits.csv").write_text("\n".join(lines))
    return folder


def write(
    tmp_path: Path, examples: list[Example], description: Description, log: BuildLog | None = None
) -> TaskDataset:
    (tmp_path / "files").mkdir(exist_ok=True)
    return write_dataset(examples, description, WatchedFiles(tmp_path / "files"), log or BuildLog(), tmp_path / "out")


def classified(rows: list[tuple[str, str, str]]) -> list[Example]:
    """Examples from (split, text, label), each of a subject of its own."""
    return [
        Example(f"e{row}", f"s{row}", f"d{row}", text, split=split, label=label)  # type: ignore[arg-type]
        for row, (split, text, label) in enumerate(rows)
    ]


SIX = [
    ("train", "one", "a"),
    ("train", "two", "b"),
    ("validation", "three", "a"),
    ("validation", "four", "b"),
    ("test", "five", "a"),
    ("test", "six", "b"),
]
OFFICIAL = Description("demo", "classification", "f1-macro", "tabular")


def test_a_task_without_an_official_split_is_split_by_the_hash_of_its_subjects(raw: Path, tmp_path: Path) -> None:
    dataset = build_task(Visits(), "visits", raw, tmp_path / "out")

    assert dataset.card.split.method == "hash"
    by_split = {
        split: {
            hashed_id(site_key(), "subject", "tabular", str(s))
            for s in range(50)
            if split_by_hash("tabular", str(s)) == split
        }
        for split in ("train", "validation", "test")
    }
    assert {split: {one.subject for one in dataset.examples(split)} for split in by_split} == by_split  # type: ignore[arg-type]
    dataset.verify()


def test_the_card_tells_where_the_dataset_came_from(raw: Path, tmp_path: Path) -> None:
    card = build_task(Visits(least=10), "visits", raw, tmp_path / "out").card

    assert card.options == {"least": 10}
    assert card.terms == ("stays in-house",)
    assert card.labels == ("no", "yes")
    assert [(step.step, step.kept, step.dropped) for step in card.filters] == [("least", 90, 10)]
    assert [(row.what, row.verdict) for row in card.expected] == [("rows", "equal")]
    content = (raw / "visits.csv").read_bytes()
    assert [(file.path, file.bytes, file.sha256) for file in card.sources[0].files] == [
        ("visits.csv", len(content), hashlib.sha256(content).hexdigest())
    ]
    assert sum(counts.examples for counts in card.counts.values()) == 90


def test_the_fingerprint_depends_on_options_and_files_and_not_on_site_or_place(raw: Path, tmp_path: Path) -> None:
    first = build_task(Visits(), "visits", raw, tmp_path / "one").card
    (tmp_path / "site" / "site.key").unlink()
    moved = raw.rename(tmp_path / "moved")
    again = build_task(Visits(), "visits", moved, tmp_path / "two").card
    other = build_task(Visits(least=1), "visits", moved, tmp_path / "three").card
    (moved / "visits.csv").write_text((moved / "visits.csv").read_text() + "\n100,50,no")
    longer = build_task(Visits(), "visits", moved, tmp_path / "four").card

    assert again.fingerprint == first.fingerprint
    assert again.files != first.files  # other hashed ids
    assert len({first.fingerprint, other.fingerprint, longer.fingerprint}) == 3


def test_a_limit_keeps_the_first_of_each_split_and_changes_the_fingerprint(raw: Path, tmp_path: Path) -> None:
    whole = build_task(Visits(), "visits", raw, tmp_path / "whole")
    small = build_task(Visits(), "visits", raw, tmp_path / "small", limit=3)

    assert {split: counts.examples for split, counts in small.card.counts.items()} == {
        "train": 3,
        "validation": 3,
        "test": 3,
    }
    assert small.examples("train") == whole.examples("train")[:3]
    assert small.card.fingerprint != whole.card.fingerprint


def test_a_folder_without_raw_files_is_refused_with_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no raw files of source 'tabular'; get them: make it"):
        build_task(Visits(), "visits", tmp_path, tmp_path / "out")


def test_a_raw_file_that_changes_while_it_is_read_is_refused(raw: Path, tmp_path: Path) -> None:
    class Growing(Visits):
        def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
            yield from super().examples(raw, log)
            with (raw.root / "visits.csv").open("a") as file:
                file.write("\n100,50,no")

    with pytest.raises(BadInput, match="changed while it was read"):
        build_task(Growing(), "visits", raw, tmp_path / "out")
    assert not (tmp_path / "out" / "visits").exists()


def test_a_rebuilt_dataset_has_the_same_bytes(raw: Path, tmp_path: Path) -> None:
    first = build_task(Visits(), "visits", raw, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    build_task(Visits(), "visits", raw, tmp_path / "out")

    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before


def test_what_is_no_dataset_is_never_replaced(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "visits").mkdir(parents=True)
    (tmp_path / "out" / "visits" / "thesis.txt").write_text("years of work")

    with pytest.raises(BadInput, match="is there already and is no dataset"):
        build_task(Visits(), "visits", raw, tmp_path / "out")
    assert (tmp_path / "out" / "visits" / "thesis.txt").read_text() == "years of work"


def test_an_official_split_is_kept_and_its_copies_are_only_counted(tmp_path: Path) -> None:
    card = write(tmp_path, classified([*SIX, ("train", "five", "a"), ("test", "three", "b")]), OFFICIAL).card

    assert card.split.method == "official"
    assert card.duplicates == Duplicates(exact=2, near=None, dropped=0)
    assert card.counts["train"].examples == 3


def test_copies_leave_the_training_data_of_ones_own_table(tmp_path: Path) -> None:
    examples = classified([*SIX, ("train", "five", "a"), ("train", "four", "b")])
    card = write(tmp_path, examples, replace(OFFICIAL, is_own=True)).card

    assert card.duplicates == Duplicates(exact=2, near=None, dropped=2)
    assert card.counts["train"].examples == 2
    assert card.filters[-1].dropped == 2


def long_texts(num_changed: int) -> list[Example]:
    """The six, each of 100 words of its own, and a train text that is the test's «five» with some words changed."""
    texts = {word: [f"{word}{position}" for position in range(100)] for _, word, _ in SIX}
    copy = [f"{word}x" if position < num_changed else word for position, word in enumerate(texts["five"])]
    rows = [(split, " ".join(texts[word]), label) for split, word, label in SIX]
    return classified([*rows, ("train", " ".join(copy), "a")])


def test_near_copies_are_only_counted_where_the_split_is_official(tmp_path: Path) -> None:
    card = write(tmp_path, long_texts(1), OFFICIAL).card

    assert card.duplicates == Duplicates(exact=0, near=1, dropped=0)
    assert card.counts["train"].examples == 3


def test_near_copies_leave_the_training_data_where_the_split_is_ours(tmp_path: Path) -> None:
    card = write(tmp_path, long_texts(1), replace(OFFICIAL, splits_are_ours=True)).card

    assert card.duplicates == Duplicates(exact=0, near=1, dropped=1)
    assert card.counts["train"].examples == 2
    assert (card.filters[-1].step, card.filters[-1].dropped) == ("train-near-copies-of-validation-or-test", 1)


def test_near_copies_stay_where_ones_own_files_are_the_splits(tmp_path: Path) -> None:
    card = write(tmp_path, long_texts(1), replace(OFFICIAL, is_own=True)).card

    assert card.duplicates == Duplicates(exact=0, near=1, dropped=0)


def test_an_exact_copy_is_not_counted_as_a_near_one_too(tmp_path: Path) -> None:
    card = write(tmp_path, long_texts(0), replace(OFFICIAL, splits_are_ours=True)).card

    assert card.duplicates == Duplicates(exact=1, near=0, dropped=1)


def test_a_near_copy_of_a_test_text_in_validation_is_counted_and_stays(tmp_path: Path) -> None:
    examples = long_texts(1)
    examples[-1] = replace(examples[-1], split="validation")
    card = write(tmp_path, examples, replace(OFFICIAL, splits_are_ours=True)).card

    assert card.duplicates == Duplicates(exact=0, near=1, dropped=0)
    assert card.counts["validation"].examples == 3


def test_texts_that_differ_a_lot_are_no_near_copies(tmp_path: Path) -> None:
    card = write(tmp_path, long_texts(20), replace(OFFICIAL, splits_are_ours=True)).card

    assert card.duplicates == Duplicates(exact=0, near=0, dropped=0)


def test_near_copies_have_no_number_where_all_texts_are_short(tmp_path: Path) -> None:
    assert write(tmp_path, classified(SIX), OFFICIAL).card.duplicates.near is None


def test_published_counts_are_equal_explained_or_different(tmp_path: Path) -> None:
    log = BuildLog()
    log.expect("rows", 6, 6, "V", "never needed")
    log.expect("patients", 46_520, 6, "V", "the raw file holds 6 of 46,520 patients")
    log.expect("notes", 7, 6, "M")
    card = write(tmp_path, classified(SIX), OFFICIAL, log).card

    assert [(row.what, row.verdict, row.why) for row in card.expected] == [
        ("rows", "equal", None),
        ("patients", "explained", "the raw file holds 6 of 46,520 patients"),
        ("notes", "differs", None),
    ]


def test_a_card_lists_the_first_hundred_anomalies_of_a_kind_and_counts_the_rest(tmp_path: Path) -> None:
    log = BuildLog()
    for line in range(1, 251):
        log.anomaly("a.con", line, "duplicate-concept")
    log.anomaly("b.con", 7, "no-text")
    card = write(tmp_path, classified(SIX), OFFICIAL, log).card

    assert [item.line for item in card.anomalies if item.code == "duplicate-concept"] == list(range(1, 101))
    assert card.num_anomalies() == {"duplicate-concept": 250, "no-text": 1}
    assert ("anomalies listed: duplicate-concept", 100, 150) in {
        (step.step, step.kept, step.dropped) for step in card.filters
    }


def test_the_card_names_the_models_that_saw_the_source(raw: Path, tmp_path: Path) -> None:
    seen = (Contamination(model="big", source="tabular"),)
    first = build_task(Visits(), "visits", raw, tmp_path / "one", seen_by=seen).card
    second = build_task(Visits(), "visits", raw, tmp_path / "two").card

    assert first.contamination == seen
    assert first.fingerprint == second.fingerprint


def test_the_same_pair_of_words_in_two_sentences_is_no_copy(tmp_path: Path) -> None:
    text = "aspirin or ibuprofen or paracetamol"
    examples = [
        Example(str(row), str(row), str(row), text, split=split, label=label, head=Span(0, 7, "d"), tail=tail)  # type: ignore[arg-type]
        for row, (split, label, tail) in enumerate(
            [
                ("train", "x", Span(11, 20, "d")),
                ("train", "none", Span(24, 35, "d")),
                ("validation", "x", Span(11, 20, "d")),
                ("test", "x", Span(11, 20, "e")),
            ]
        )
    ]
    card = write(tmp_path, examples, Description("demo", "relations", "relation-f1", "tabular")).card

    # train's first pair stands in validation and test; validation's pair in test: the types are no part of the text
    assert card.duplicates.exact == 2


def test_words_and_counts_are_those_counted_by_hand(tmp_path: Path) -> None:
    rows = [("train", "one two", "a"), ("train", "one two three four", "b"), ("train", "x", "a"), *SIX[2:]]
    card = write(tmp_path, classified(rows), OFFICIAL).card

    assert card.words["train"] == Words(p50=2, p95=4, max=4)
    assert card.counts["train"].labels == {"a": 2, "b": 1}
    assert (card.counts["train"].subjects, card.counts["train"].documents) == (3, 3)


def test_entities_get_tags_from_spans_and_are_counted_by_type(tmp_path: Path) -> None:
    def sentence(id_: str, split: str, spans: tuple[Span, ...]) -> Example:
        tokens, starts, ends = ("take", "aspirin", "81", "mg"), (0, 5, 13, 16), (4, 12, 15, 18)
        return Example(
            id_,
            id_,
            id_,
            "take aspirin 81 mg",
            split=split,
            tokens=tokens,
            starts=starts,
            ends=ends,
            spans=spans,  # type: ignore[arg-type]
        )

    drug, dose, both = Span(5, 12, "drug"), Span(13, 18, "dose"), Span(5, 18, "order")
    examples = [
        sentence("1", "train", (drug, dose)),
        sentence("2", "validation", ()),
        sentence("3", "test", (drug, dose, both)),
    ]
    dataset = write(tmp_path, examples, Description("demo", "entities", "entity-f1", "tabular"))

    assert dataset.examples("train")[0].tags == ("O", "B-drug", "B-dose", "I-dose")
    assert dataset.examples("validation")[0].tags == ("O", "O", "O", "O")
    assert dataset.examples("test")[0].spans == (both,)
    assert dataset.card.labels == ("dose", "drug", "order")
    assert dataset.card.counts["train"].labels == {"dose": 1, "drug": 1, "order": 0}
    assert [item.code for item in dataset.card.anomalies].count("overlapping-span-left-out") == 2


def test_entities_get_spans_from_tags(tmp_path: Path) -> None:
    examples = [
        Example(split, split, split, "no fever", split=split, tags=("O", "B-x"), **TOKENS)  # type: ignore[arg-type]
        for split in ("train", "validation", "test")
    ]
    dataset = write(tmp_path, examples, Description("demo", "entities", "entity-f1", "tabular"))

    assert dataset.examples("test")[0].spans == (Span(3, 8, "x"),)


def test_a_class_that_train_lacks_is_noted_for_a_release_and_refused_for_ones_own_table(tmp_path: Path) -> None:
    examples = classified([*SIX, ("test", "seven", "c")])
    card = write(tmp_path, examples, OFFICIAL).card

    assert card.labels == ("a", "b", "c")
    assert ("test.parquet", "class-not-in-train") in {(item.file, item.code) for item in card.anomalies}
    with pytest.raises(BadInput, match="the test split holds 1 classes that train lacks"):
        write(tmp_path, examples, replace(OFFICIAL, is_own=True))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda rows: rows[:4], "the test split is empty"),
        (lambda rows: [rows[0], *rows[2:]], "the train split holds no second class"),
        (lambda rows: [*rows, replace(rows[0], subject="s4", example="x")], "1 subjects stand in more than one split"),
        (lambda rows: [*rows, rows[0]], "example 7: its id stands twice"),
        (lambda rows: [*rows, replace(rows[0], example="x", split=None)], "some examples name their split"),
        (lambda rows: [*rows, replace(rows[0], example="x", label=None)], "example 7: it has no label"),
        (lambda rows: [*rows, replace(rows[0], example="x", label="")], "example 7: it has an empty label"),
        (lambda rows: [*rows, replace(rows[0], example="x", subject="")], "example 7: its id, subject or document"),
        (lambda rows: [*rows, replace(rows[0], example="x", text="a\0b")], "NUL"),
        (lambda rows: [*rows, replace(rows[0], example="x", text="a\ud800b")], "surrogate"),
    ],
)
def test_examples_that_break_a_rule_are_refused_and_nothing_is_written(tmp_path: Path, change, rule: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match=rule):
        write(tmp_path, change(classified(SIX)), OFFICIAL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "split", "remedy"),
    [
        ({}, "train", "the release brings its own split, so part of it is missing: give all its files or archives"),
        ({}, None, "give more of the release: its patients are split by a hash"),
        ({"is_own": True}, "train", "give more examples, or split otherwise"),
    ],
    ids=["a part of the release", "few patients", "one's own table"],
)
def test_an_empty_split_names_what_helps(
    tmp_path: Path, changes: dict[str, bool], split: Literal["train"] | None, remedy: str
) -> None:
    examples = [replace(example, split=split, subject="same") for example in classified(SIX)]
    with pytest.raises(BadInput, match=f"split is empty; {remedy}"):
        write(tmp_path, examples, replace(OFFICIAL, **changes))


def test_rows_split_one_by_one_may_share_subjects_and_the_card_says_how_many(tmp_path: Path) -> None:
    examples = [replace(example, subject="same") for example in classified(SIX)]
    dataset = write(tmp_path, examples, replace(OFFICIAL, split_by=None))

    assert dataset.card.split.shared_subjects == 1
    dataset.verify()


TOKENS = {"tokens": ("no", "fever"), "starts": (0, 3), "ends": (2, 8)}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({**TOKENS, "starts": (0, 4)}, "differs from the text"),
        ({**TOKENS, "ends": (2, 9)}, "differs from the text"),
        ({**TOKENS, "starts": (0, 1)}, "overlap"),
        ({**TOKENS, "ends": (0, 8)}, "overlap, are empty"),
        ({**TOKENS, "ends": (2,)}, "differ in number"),
        ({**TOKENS, "tags": ("O",)}, "differ in number"),
        ({**TOKENS, "tags": ("O", "I-x")}, "no IOB2"),
        ({**TOKENS, "spans": (Span(3, 9, "x"),)}, "beyond the text"),
        ({**TOKENS, "spans": (Span(-1, 2, "x"),)}, "starts below 0"),
        ({**TOKENS, "spans": (Span(5, 5, "x"),)}, "not before its end"),
        ({**TOKENS, "spans": (Span(5, 3, "x"),)}, "not before its end"),
        ({**TOKENS, "spans": (Span(2, 3, "x"),)}, "touches no token"),
        ({**TOKENS, "spans": (Span(3, 8, ""),)}, "has no label"),
        ({}, "no tokens"),
    ],
)
def test_tokens_tags_and_spans_must_fit_the_text(tmp_path: Path, fields, rule: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match=rule):
        write(tmp_path, [Example("1", "1", "1", "no fever", **fields)], replace(OFFICIAL, kind="entities"))


HASH_SEED_SCRIPT = """
import sys
from pathlib import Path
from clinpeft.data.own import import_task
from clinpeft.spec import TaskChoice
from clinpeft.frozen import parse
choice = {"name": "m", "kind": "multilabel", "files": {"data": "m.csv"}, "subject": "pt"}
choice |= {"groups": ["sex"], "split": {"folds": 0}}
dataset = import_task(parse(TaskChoice, choice, "t"), Path(sys.argv[1]), Path(sys.argv[2]))
print(dataset.card.model_dump_json())
"""


def test_the_bytes_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    rows = [f"{row // 2},{'fm'[row % 2]},note {row},{'a;b;?c' if row % 3 else 'c;a'}" for row in range(60)]
    (tmp_path / "m.csv").write_text("pt,sex,text,label\n" + "\n".join(rows) + "\n")
    site_key()

    cards = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", HASH_SEED_SCRIPT, str(tmp_path), str(tmp_path / seed)]
        result = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        )
        cards.append(json.loads(result.stdout))

    assert cards[0] == cards[1]
    assert cards[0]["labels"] == ["a", "b", "c"]
