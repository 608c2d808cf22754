"""Prediction files: what a run says of every example, the gold only where it may be, never a text."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest

from clinpeft.data.card import Card
from clinpeft.runs.predictions import join_gold, read_predictions, write_predictions
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example
from clinpeft.train.predictions import predictions_from

if TYPE_CHECKING:
    from tests.conftest import Small

SECRET = b"s" * 32


def card(small: Small, kind: Kind, labels: tuple[str, ...]) -> Card:
    """The study's card, made one of another kind."""
    return small.datasets()["outcome"].card.model_copy(update={"kind": kind, "labels": labels, "positive": None})


def example(number: int, **fields: Any) -> Example:
    ids = {"example": f"e{number}", "subject": f"s{number // 2}", "document": f"d{number}"}
    return Example(**ids, text=f"the zqx secret of {number}", **fields)


def written(path: Path, examples: list[Example], card: Card, *, with_gold: bool, **values: Any) -> dict[str, list[Any]]:
    predictions = predictions_from(examples, card, **values)
    flags = [number == 0 for number in range(len(examples))]
    write_predictions(path, examples, card, predictions, flags, SECRET, with_gold=with_gold)
    columns: dict[str, list[Any]] = pq.read_table(path).to_pydict()
    return columns


SCORES = np.array([[0.9, 0.1], [0.25, 0.75], [0.5, 0.5]])


@pytest.fixture
def yes_or_no() -> list[Example]:
    labels = ["no", "yes", "yes"]
    return [example(number, label=label, groups={"sex": "f"}) for number, label in enumerate(labels)]


def test_a_row_holds_ids_groups_and_the_probability_of_every_label(
    trained: Small, tmp_path: Path, yes_or_no: list[Example]
) -> None:
    columns = written(
        tmp_path / "p", yes_or_no, card(trained, "classification", ("no", "yes")), with_gold=True, scores=SCORES
    )

    assert list(columns) == ["example", "subject", "group_sex", "truncated", "score_0", "score_1", "label"]
    assert columns["example"] == ["e0", "e1", "e2"]
    assert columns["truncated"] == [True, False, False]
    assert columns["score_1"] == [float(np.float32(value)) for value in (0.1, 0.75, 0.5)]
    assert columns["label"] == ["no", "yes", "yes"]


def test_a_subject_is_keyed_anew_by_the_studys_secret(trained: Small, tmp_path: Path, yes_or_no: list[Example]) -> None:
    columns = written(
        tmp_path / "p", yes_or_no, card(trained, "classification", ("no", "yes")), with_gold=True, scores=SCORES
    )
    expected = [hmac.new(SECRET, name, hashlib.sha256).hexdigest()[:16] for name in (b"s0", b"s0", b"s1")]

    assert columns["subject"] == expected


def test_without_gold_no_column_tells_what_is_right_and_joining_adds_it(
    trained: Small, tmp_path: Path, yes_or_no: list[Example]
) -> None:
    path, kind_card = tmp_path / "p", card(trained, "classification", ("no", "yes"))
    sealed = written(path, yes_or_no, kind_card, with_gold=False, scores=SCORES)
    path.write_bytes(join_gold(path, {one.example: one for one in reversed(yes_or_no)}, kind_card))
    opened = pq.read_table(path).to_pydict()

    assert "label" not in sealed
    assert opened == {**sealed, "label": ["no", "yes", "yes"]}


def test_entities_have_the_predicted_tags_of_every_word(trained: Small, tmp_path: Path) -> None:
    words = {"tokens": ("chest", "pain"), "starts": (0, 6), "ends": (5, 10)}
    gold = [("B-problem", "I-problem"), ("O", "O")]
    examples = [example(number, **words, tags=tags) for number, tags in enumerate(gold)]
    tags = [("O", "B-problem"), ("O", "O")]
    columns = written(
        tmp_path / "p", examples, card(trained, "entities", ("problem",)), with_gold=True, predicted_tags=tags
    )

    assert list(columns) == ["example", "subject", "truncated", "predicted", "tags"]
    assert columns["predicted"] == [["O", "B-problem"], ["O", "O"]]
    assert columns["tags"] == [["B-problem", "I-problem"], ["O", "O"]]


def test_tags_of_pieces_lie_beside_the_number_of_pieces_of_each_word_which_gives_the_gold_later(
    trained: Small, tmp_path: Path
) -> None:
    path, kind_card = tmp_path / "p", card(trained, "entities", ("problem",))
    words = {"tokens": ("dyspnoea", "worse"), "starts": (0, 9), "ends": (8, 14)}
    examples = [example(0, **words, tags=("B-problem", "I-problem"))]
    tags = [("B-problem", "B-problem", "O", "O")]
    sealed = written(path, examples, kind_card, with_gold=False, predicted_tags=tags, piece_counts=[(3, 1)])
    read = read_predictions(path, {"e0": examples[0]}, kind_card)
    path.write_bytes(join_gold(path, {"e0": examples[0]}, kind_card))
    gold = ["B-problem", "B-problem", "B-problem", "I-problem"]

    assert list(sealed) == ["example", "subject", "truncated", "predicted", "pieces"]
    assert sealed["pieces"] == [[3, 1]]
    assert (read.gold_tags, read.predicted_tags, read.piece_counts) == ((tuple(gold),), tuple(tags), ((3, 1),))
    assert pq.read_table(path).to_pydict() == {**sealed, "tags": [gold]}


def test_several_labels_come_with_those_that_nobody_annotated(trained: Small, tmp_path: Path) -> None:
    examples = [example(0, labels=("a", "b")), example(1, missing=("b",)), example(2)]
    columns = written(tmp_path / "p", examples, card(trained, "multilabel", ("a", "b")), with_gold=True, scores=SCORES)

    assert columns["labels"] == [["a", "b"], [], []]
    assert columns["missing"] == [[], ["b"], []]


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_what_was_written_is_read_back_with_the_gold_of_the_examples(
    trained: Small, tmp_path: Path, kind: Literal["classification", "multilabel"]
) -> None:
    kind_card = card(trained, kind, ("no", "yes"))
    examples = [
        example(number, **({"label": "yes"} if kind == "classification" else {"labels": ("yes",)}))
        for number in range(3)
    ]
    written(tmp_path / "p", examples, kind_card, with_gold=False, scores=SCORES)
    read = read_predictions(tmp_path / "p", {one.example: one for one in examples}, kind_card)
    expected = predictions_from(examples, kind_card, SCORES.astype(np.float32).astype(np.float64))

    assert np.array_equal(read.scores, expected.scores)
    assert np.array_equal(read.gold, expected.gold)
    assert list(read.subjects) == ["s0", "s0", "s1"]


def test_no_text_lies_in_a_prediction_file(trained: Small, tmp_path: Path, yes_or_no: list[Example]) -> None:
    columns = written(
        tmp_path / "p", yes_or_no, card(trained, "classification", ("no", "yes")), with_gold=True, scores=SCORES
    )

    assert "zqx" not in str(columns)
    assert b"zqx" not in (tmp_path / "p").read_bytes()
