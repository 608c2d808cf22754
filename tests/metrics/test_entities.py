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


def sentences(gold: list[str], predicted: list[str]) -> Predictions:
    """One sentence a string."""
    return Predictions(
        "entities",
        ("drug", "dose"),
        tuple(str(index) for index in range(len(gold))),
        gold_tags=tuple(tuple(line.split()) for line in gold),
        predicted_tags=tuple(tuple(line.split()) for line in predicted),
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


@pytest.mark.parametrize("name", ["entity-f1", "entity-f1-macro"])
def test_no_entity_at_all_is_undefined(name: str) -> None:
    assert METRICS.get(name)().undefined(sentences(["O O"], ["O O"])) == "no entity is present or predicted"


def test_a_resample_counts_a_sentence_as_often_as_its_weight(make_entities: Any) -> None:
    predictions = make_entities(np.random.default_rng(2))
    repeated = replace(
        predictions,
        subjects=predictions.subjects + predictions.subjects[:3],
        gold_tags=predictions.gold_tags + predictions.gold_tags[:3],
        predicted_tags=predictions.predicted_tags + predictions.predicted_tags[:3],
    )
    weights = np.ones((1, len(predictions)))
    weights[0, :3] = 2
    for name in ("entity-f1", "entity-f1-macro"):
        metric = METRICS.get(name)()
        assert metric.values(predictions, weights) == pytest.approx(
            metric.values(repeated, np.ones((1, len(repeated))))
        )
