"""Entity F1: exact span and type under strict IOB2, equal to seqeval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2, Entities

from clinpeft.metrics._entities import strict_entities
from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.metrics.thresholds import metrics_for


def sentences(gold: list[str], predicted: list[str]) -> Predictions:
    """One sentence a string; words of four characters."""
    return Predictions(
        "entities",
        ("drug", "dose"),
        tuple(str(index) for index in range(len(gold))),
        gold_tags=tuple(tuple(line.split()) for line in gold),
        predicted_tags=tuple(tuple(line.split()) for line in predicted),
        word_ends=tuple(tuple(range(4, 5 * len(line.split()), 5)) for line in gold),
    )


def test_entities_are_those_that_seqeval_reads_strictly(make_entities: Any) -> None:
    generator = np.random.default_rng(0)
    for _ in range(300):
        rows = make_entities(generator).gold_tags
        expected = [
            [(e.start, e.end, e.tag) for e in row] for row in Entities([list(tags) for tags in rows], IOB2).entities
        ]
        assert [strict_entities(tags) for tags in rows] == expected


@pytest.mark.parametrize(("name", "average"), [("entity-f1", "micro"), ("entity-f1-macro", "macro")])
def test_values_equal_seqeval(name: str, average: str, make_entities: Any, value: Any) -> None:
    generator = np.random.default_rng(1)
    for _ in range(150):
        predictions = make_entities(generator)
        expected = f1_score(
            [list(tags) for tags in predictions.gold_tags],
            [list(tags) for tags in predictions.predicted_tags],
            average=average,
            mode="strict",
            scheme=IOB2,
            zero_division=0,
        )
        assert value(name, predictions) == pytest.approx(expected, abs=1e-12)


def test_without_a_mode_values_equal_seqeval_without_one(make_entities: Any, value: Any) -> None:
    generator = np.random.default_rng(4)
    for _ in range(150):
        predictions = make_entities(generator)
        rows = [[list(tags) for tags in of] for of in (predictions.gold_tags, predictions.predicted_tags)]
        assert value("entity-f1-conlleval", predictions) == pytest.approx(f1_score(*rows, zero_division=0), abs=1e-12)


def test_an_orphan_inside_tag_opens_an_entity_where_conlleval_counts(value: Any) -> None:
    assert value("entity-f1-conlleval", sentences(["B-drug I-drug"], ["I-drug I-drug"])) == 1.0
    assert value("entity-f1-conlleval", sentences(["B-drug I-drug"], ["B-drug B-drug"])) == 0.0


def test_a_word_of_three_pieces_is_three_entities_as_the_published_pipeline_counts(value: Any) -> None:
    pieces = ["B-drug B-drug B-drug I-drug O"]
    # Gold: two entities of one piece, one of two. Predicted: the first, and the other two as one.
    found = ["B-drug B-drug I-drug I-drug O"]
    expected = 2 * 1 / (2 + 3)

    assert f1_score([pieces[0].split()], [found[0].split()]) == pytest.approx(expected)
    assert value("entity-f1-conlleval", sentences(pieces, found)) == pytest.approx(expected)


def test_an_orphan_inside_tag_opens_no_entity(value: Any) -> None:
    assert value("entity-f1", sentences(["B-drug I-drug"], ["I-drug I-drug"])) == 0.0


@pytest.mark.parametrize(
    "predicted", ["B-drug O O", "B-drug I-drug I-drug", "B-dose I-dose O", "B-drug B-drug O", "B-drug I-dose O"]
)
def test_a_span_or_type_that_is_not_exact_is_wrong(predicted: str, value: Any) -> None:
    assert value("entity-f1", sentences(["B-drug I-drug O"], [predicted])) == 0.0


def test_counts_are_added_over_sentences(value: Any) -> None:
    predictions = sentences(["B-drug O B-dose", "B-drug", "O O"], ["B-drug O O", "B-drug", "B-dose O"])

    # 2 of 3 predicted are right, 2 of 3 gold are found; by type: drug 1, dose 0.
    assert value("entity-f1", predictions) == pytest.approx(2 / 3)
    assert value("entity-f1-macro", predictions) == pytest.approx(1 / 2)


def test_gold_entities_and_none_predicted_is_zero_not_undefined(value: Any) -> None:
    assert value("entity-f1", sentences(["B-drug"], ["O"])) == 0.0


@pytest.mark.parametrize("name", metrics_for("entities", 2))
def test_no_entity_at_all_is_undefined(name: str) -> None:
    assert METRICS.get(name)().undefined(sentences(["O O"], ["O O"])) == "no entity is present or predicted"


def test_a_resample_counts_a_sentence_as_often_as_its_weight(make_entities: Any) -> None:
    predictions = make_entities(np.random.default_rng(2))
    repeated = replace(
        predictions,
        subjects=predictions.subjects + predictions.subjects[:3],
        gold_tags=predictions.gold_tags + predictions.gold_tags[:3],
        predicted_tags=predictions.predicted_tags + predictions.predicted_tags[:3],
        word_ends=predictions.word_ends + predictions.word_ends[:3],
    )
    weights = np.ones((1, len(predictions)))
    weights[0, :3] = 2
    for name in metrics_for("entities", 2):
        metric = METRICS.get(name)()
        assert metric.values(predictions, weights) == pytest.approx(
            metric.values(repeated, np.ones((1, len(repeated))))
        )


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ("B-drug I-drug O", "B-drug O O", 1.0),
        ("B-drug I-drug O", "O B-drug I-drug", 1.0),
        ("B-drug I-drug O", "O O B-drug", 0.0),
        ("B-drug I-drug O", "B-dose I-dose O", 0.0),
        # Two parts of one entity: the first is the hit, the second counts nowhere.
        ("B-drug I-drug I-drug", "B-drug O B-drug", 1.0),
        # One part and one in the wrong place: 1 of 2 predicted, 1 of 1 found.
        ("B-drug I-drug O O", "B-drug O O B-drug", 2 / 3),
        # One over two: 1 of 1 predicted, 1 of 2 found.
        ("B-drug O B-drug", "B-drug I-drug I-drug", 2 / 3),
        # The first meets both, so the second counts nowhere although it lies on the second: as above.
        ("B-drug B-drug I-drug", "B-drug I-drug B-drug", 2 / 3),
    ],
)
def test_a_lenient_hit_shares_a_word_and_the_type(gold: str, predicted: str, expected: float, value: Any) -> None:
    assert value("entity-f1-lenient", sentences([gold], [predicted])) == pytest.approx(expected)


def test_lenient_hits_are_those_of_the_official_evaluation(make_entities: Any, value: Any) -> None:
    generator = np.random.default_rng(3)
    for _ in range(150):
        predictions = make_entities(generator)
        hits = counted = num_gold = 0
        for tags, predicted_tags in zip(predictions.gold_tags, predictions.predicted_tags, strict=True):
            gold, predicted = strict_entities(tags), strict_entities(predicted_tags)
            touching = [
                (index, place)
                for index, (start, end, kind) in enumerate(predicted)
                for place, (first, last, other) in enumerate(gold)
                if kind == other and max(start, first) < min(end, last)
            ]
            # Stated the other way round: an entity counts unless an earlier one has met one of its gold entities.
            first_of = {place: min(index for index, at in touching if at == place) for _, place in touching}
            left_out = {index for index, place in touching if first_of[place] != index}
            hits += len({index for index, _ in touching} - left_out)
            counted += len(predicted) - len(left_out)
            num_gold += len(gold)
        assert value("entity-f1-lenient", predictions) == pytest.approx(2 * hits / (counted + num_gold))


def test_words_of_entities_are_counted_one_by_one_whatever_their_type(value: Any) -> None:
    predictions = sentences(["B-drug I-drug O B-dose", "O O"], ["B-dose O B-dose B-dose", "O B-drug"])

    # Gold words 3, predicted 4, in both 2.
    assert value("token-f1", predictions) == pytest.approx(2 * 2 / (3 + 4))


def test_an_orphan_inside_tag_marks_its_word_as_well(value: Any) -> None:
    assert value("token-f1", sentences(["B-drug I-drug"], ["O I-drug"])) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ("B-drug I-drug O O", "B-drug I-drug I-drug O", 1.0),
        ("B-drug I-drug O O", "B-drug I-drug I-drug I-drug", 0.0),
        ("B-drug I-drug I-drug O", "B-drug I-drug O O", 1.0),
        ("B-drug I-drug O O", "O B-drug O O", 0.0),
        ("B-drug I-drug O O", "B-dose I-dose O O", 0.0),
        ("B-drug I-drug O B-dose", "B-drug I-drug I-drug O", 2 / 3),
    ],
    ids=["a comma too many", "three characters too many", "a comma too few", "other start", "other type", "one missed"],
)
def test_an_end_two_characters_off_is_right_where_the_relaxed_score_counts(
    value: Any, gold: str, predicted: str, expected: float
) -> None:
    # "Dr Ashe ,)" with a blank before the comma: words end at 2, 7, 9 and 10.
    predictions = replace(sentences([gold], [predicted]), word_ends=((2, 7, 9, 10),))

    assert value("entity-f1-relaxed", predictions) == pytest.approx(expected)


def test_without_the_places_of_words_there_is_no_relaxed_score() -> None:
    predictions = replace(sentences(["B-drug"], ["B-drug"]), word_ends=())

    assert METRICS.get("entity-f1-relaxed")().undefined(predictions) == "the places of the words are not known"
