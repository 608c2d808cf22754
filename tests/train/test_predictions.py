"""Examples and what a model says of them become the arrays that metrics work on."""

from __future__ import annotations

import numpy as np
import pytest

from clinpeft.data.card import Card
from clinpeft.errors import BadInput
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example
from clinpeft.train.predictions import predictions_from

SECRET = "zebra-canary"


def card(kind: Kind, *labels: str, positive: str | None = None) -> Card:
    return Card.model_construct(name="made-up", kind=kind, labels=labels, positive=positive, metric="accuracy")


def example(subject: str, **fields: object) -> Example:
    return Example(example=f"{subject}-1", subject=subject, document=subject, text=SECRET, **fields)  # type: ignore[arg-type]


def test_classes_are_indices_in_the_cards_order_with_the_positive_one_marked() -> None:
    examples = [example("p1", label="yes"), example("p2", label="no")]
    made = predictions_from(examples, card("classification", "yes", "no", positive="yes"), np.eye(2))

    assert made.gold is not None
    assert made.gold.tolist() == [0, 1]
    assert (made.positive, made.labels, made.subjects) == (0, ("yes", "no"), ("p1", "p2"))
    assert made.missing is None
    assert made.thresholds is None


def test_labels_are_zeros_and_ones_with_missing_cells_marked() -> None:
    examples = [example("p1", labels=("b", "a")), example("p2", labels=(), missing=("c",))]
    made = predictions_from(examples, card("multilabel", "a", "b", "c"), np.zeros((2, 3)))

    assert made.gold is not None
    assert made.gold.tolist() == [[1, 1, 0], [0, 0, 0]]
    assert made.missing is not None
    assert made.missing.tolist() == [[False, False, False], [False, False, True]]


def test_words_beyond_the_end_of_the_predicted_tags_count_as_outside() -> None:
    examples = [example("p1", tokens=("a", "b", "c"), tags=("O", "B-drug", "I-drug"))]
    made = predictions_from(examples, card("entities", "drug"), predicted_tags=[("B-drug",)])

    assert made.gold_tags == (("O", "B-drug", "I-drug"),)
    assert made.predicted_tags == (("B-drug", "O", "O"),)


def test_by_pieces_the_gold_tag_of_a_word_is_repeated_at_each_of_its_pieces() -> None:
    examples = [example("p1", tokens=("a", "b", "c"), tags=("O", "B-drug", "I-drug"))]
    of_pieces = [("O", "B-drug", "B-drug")]
    made = predictions_from(examples, card("entities", "drug"), predicted_tags=of_pieces, piece_counts=[[1, 3, 2]])

    assert made.gold_tags == (("O", "B-drug", "B-drug", "B-drug", "I-drug", "I-drug"),)
    assert made.predicted_tags == (("O", "B-drug", "B-drug", "O", "O", "O"),)
    assert made.piece_counts == ((1, 3, 2),)


def test_words_have_their_places_and_word_pieces_have_none() -> None:
    examples = [example("p1", tokens=("a", "bc"), starts=(0, 2), ends=(1, 4), tags=("O", "B-drug"))]
    of = card("entities", "drug")

    assert predictions_from(examples, of, predicted_tags=[()]).word_ends == ((1, 4),)
    assert predictions_from(examples, of, predicted_tags=[()], piece_counts=[[1, 2]]).word_ends == ()


def test_no_examples_give_empty_predictions() -> None:
    assert len(predictions_from([], card("classification", "a", "b"), np.zeros((0, 2)))) == 0
    assert predictions_from([], card("multilabel", "a", "b"), np.zeros((0, 2))).gold.shape == (0, 2)  # type: ignore[union-attr]
    assert len(predictions_from([], card("entities", "a"), predicted_tags=[])) == 0


@pytest.mark.parametrize(("kind", "fields"), [("pairs", {"label": SECRET}), ("multilabel", {"labels": (SECRET,)})])
def test_a_label_that_the_card_does_not_list_is_refused_without_quoting_it(
    kind: Kind, fields: dict[str, object]
) -> None:
    with pytest.raises(BadInput, match="a label that the card does not list") as caught:
        predictions_from([example("p1", **fields)], card(kind, "a", "b"), np.zeros((1, 2)))

    assert SECRET not in str(caught.value)


def test_scores_of_another_shape_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"scores must have shape \(1, 2\)"):
        predictions_from([example("p1", label="a")], card("classification", "a", "b"), np.zeros((1, 3)))


@pytest.mark.parametrize("predicted", [None, [], [("O", "O")]])
def test_tags_that_do_not_fit_the_sentences_are_a_mistake_of_the_caller(
    predicted: list[tuple[str, ...]] | None,
) -> None:
    with pytest.raises(ValueError, match=r"predicted.tags"):
        predictions_from([example("p1", tokens=("a",), tags=("O",))], card("entities", "a"), predicted_tags=predicted)
