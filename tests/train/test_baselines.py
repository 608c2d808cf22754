"""The baselines learn what can be learned by counting words, the same way every time, and never peek at the answer."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from clinpeft.data.card import Card
from clinpeft.errors import UnknownName
from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.metrics.intervals import score
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example, Span
from clinpeft.train import baselines
from clinpeft.train.baseline_tagger import decode
from clinpeft.train.baselines import fit_baseline


def card(kind: Kind, *labels: str, metric: str, positive: str | None = None) -> Card:
    return Card.model_construct(name="made-up", kind=kind, labels=labels, positive=positive, metric=metric)


def example(number: int, text: str = "", **fields: Any) -> Example:
    return Example(example=f"e{number}", subject=f"s{number}", document=f"d{number}", text=text, **fields)


def notes(num: int, seed: int = 0) -> list[Example]:
    """Notes whose class is decided by one word among many that say nothing."""
    generator = np.random.default_rng(seed)
    fillers = ["the", "patient", "was", "seen", "today", "in", "clinic", "and", "feels", "well"]
    words = {"cardiac": "angina", "renal": "dialysis", "other": "rash"}
    rows = []
    for number in range(num):
        label = list(words)[number % 3]
        text = [*generator.choice(fillers, size=8), words[label]]
        rows.append(example(number, " ".join(generator.permutation(text)), label=label))
    return rows


NOTES = card("classification", "other", "cardiac", "renal", metric="f1-macro")


def headline(predictions: Predictions, of: Card) -> float:
    value = score(METRICS.get(of.metric)(), predictions, num_resamples=0).value
    assert value is not None
    return value


def test_majority_gives_every_class_its_share_of_train() -> None:
    train = [example(number, label=label) for number, label in enumerate(["a", "b", "b", "b"])]
    of = card("classification", "a", "b", "c", metric="accuracy")
    predictions = fit_baseline("majority", train, [], of)([example(9, label="a"), example(10, label="b")])

    assert predictions.scores is not None
    assert predictions.scores.tolist() == [[0.25, 0.75, 0.0]] * 2
    assert headline(predictions, of) == 0.5


def test_majority_gives_every_label_its_share_of_the_annotated_examples() -> None:
    train = [example(0, labels=("a",)), example(1, missing=("a", "b")), example(2, labels=("a",)), example(3)]
    predictions = fit_baseline("majority", train, [], card("multilabel", "a", "b", metric="auroc"))([example(9)])

    assert predictions.scores is not None
    assert predictions.scores.tolist() == [[pytest.approx(2 / 3), 0.0]]


def test_majority_finds_no_entities() -> None:
    train = [example(0, tokens=("take", "aspirin"), tags=("O", "B-drug"))]
    of = card("entities", "drug", metric="entity-f1")
    predictions = fit_baseline("majority", train, [], of)(train)

    assert predictions.predicted_tags == (("O", "O"),)
    assert headline(predictions, of) == 0.0


def test_tfidf_learns_the_word_that_decides() -> None:
    predictions = fit_baseline("tfidf-logistic", notes(90), notes(30, seed=1), NOTES)(notes(60, seed=2))

    assert headline(predictions, NOTES) > 0.95
    assert predictions.scores is not None
    assert predictions.scores.sum(axis=1) == pytest.approx(np.ones(60))


def test_a_baseline_gives_the_same_numbers_every_time() -> None:
    first, second = (
        fit_baseline("tfidf-logistic", notes(60), notes(30, seed=1), NOTES)(notes(30, seed=2)) for _ in range(2)
    )

    assert first.scores is not None
    assert second.scores is not None
    assert first.scores.tobytes() == second.scores.tobytes()


def test_a_baseline_does_not_look_at_the_label_of_what_it_predicts() -> None:
    predict = fit_baseline("tfidf-logistic", notes(60), notes(30, seed=1), NOTES)
    hidden = [example(number, row.text, label="other") for number, row in enumerate(notes(30, seed=2))]

    assert predict(hidden).scores.tolist() == predict(notes(30, seed=2)).scores.tolist()  # type: ignore[union-attr]


def test_a_class_that_train_does_not_hold_gets_probability_zero() -> None:
    of = card("classification", "other", "cardiac", "renal", "unseen", metric="f1-macro")
    predictions = fit_baseline("tfidf-logistic", notes(30), notes(9, seed=1), of)(notes(9, seed=2))

    assert predictions.scores is not None
    assert (predictions.scores[:, 3] == 0).all()
    assert predictions.scores.sum(axis=1) == pytest.approx(np.ones(9))


def test_the_penalty_is_the_best_on_validation_and_a_fixed_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    train, validation, test = notes(24), notes(30, seed=1), notes(30, seed=2)
    chosen, default = (fit_baseline("tfidf-logistic", train, rows, NOTES)(test) for rows in (validation, []))
    alone = {}
    for penalty in baselines.PENALTIES:
        monkeypatch.setattr(baselines, "PENALTIES", (penalty,))
        predict = fit_baseline("tfidf-logistic", train, validation, NOTES)
        alone[penalty] = (headline(predict(validation), NOTES), predict(test))

    def nearest(predictions: Predictions) -> float:
        return min(alone, key=lambda penalty: float(np.abs(alone[penalty][1].scores - predictions.scores).max()))

    assert len({value for value, _ in alone.values()}) > 1
    assert nearest(chosen) == max(alone, key=lambda penalty: alone[penalty][0])
    assert nearest(default) == 10


def test_train_with_a_single_answer_falls_back_to_its_shares() -> None:
    train = [example(number, "some text", label="a") for number in range(3)]
    predictions = fit_baseline("tfidf-logistic", train, [], card("classification", "a", "b", metric="auroc"))(train)

    assert predictions.scores is not None
    assert predictions.scores.tolist() == [[1.0, 0.0]] * 3


@pytest.mark.parametrize("text", ["", "...", "\n"])
def test_texts_without_words_are_allowed(text: str) -> None:
    train = [example(number, text, label="ab"[number % 2]) for number in range(4)]
    predictions = fit_baseline("tfidf-logistic", train, train, card("classification", "a", "b", metric="accuracy"))(
        train
    )

    assert predictions.scores == pytest.approx(np.full((4, 2), 0.5), abs=1e-6)


@pytest.mark.parametrize("name", ["majority", "tfidf-logistic"])
def test_nothing_to_predict_gives_empty_predictions(name: str) -> None:
    assert len(fit_baseline(name, notes(9), notes(9), NOTES)([])) == 0
    train = [example(0, tokens=("take", "aspirin"), tags=("O", "B-drug"))]
    assert len(fit_baseline(name, train, train, card("entities", "drug", metric="entity-f1"))([])) == 0


def test_tfidf_learns_labels_from_the_examples_where_they_were_annotated() -> None:
    def row(number: int, words: str, labels: tuple[str, ...], missing: tuple[str, ...] = ()) -> Example:
        return example(number, f"note {words} end", labels=labels, missing=missing)

    train = [
        *(row(n, "fever cough", ("fever",), ("cough",)) for n in range(10)),
        *(row(n, "cough", ("cough",)) for n in range(10, 20)),
        *(row(n, "well", ()) for n in range(20, 30)),
    ]
    of = card("multilabel", "fever", "cough", "never", metric="auroc")
    predictions = fit_baseline("tfidf-logistic", train, train[::5], of)([row(0, "fever cough", ()), row(1, "well", ())])

    assert predictions.scores is not None
    assert predictions.scores[0, :2].min() > 0.5 > predictions.scores[1, :2].max()
    assert (predictions.scores[:, 2] == 0).all()


def test_tfidf_sees_how_much_two_texts_overlap() -> None:
    def pairs(num: int, seed: int) -> list[Example]:
        generator = np.random.default_rng(seed)
        rows = []
        for number in range(num):
            left = [f"w{index}" for index in generator.integers(0, 400, size=6)]
            other = [f"w{index}" for index in generator.integers(0, 400, size=6)]
            text_b = " ".join(left[::-1] if number % 2 else other)
            rows.append(example(number, " ".join(left), text_b=text_b, label="same" if number % 2 else "different"))
        return rows

    of = card("pairs", "different", "same", metric="auroc", positive="same")
    predictions = fit_baseline("tfidf-logistic", pairs(100, 0), pairs(40, 1), of)(pairs(40, 2))

    assert headline(predictions, of) == 1.0


def relation(number: int, text: str, head: str, tail: str, label: str) -> Example:
    spans = {
        role: Span(text.index(word), text.index(word) + len(word), kind)
        for role, word, kind in (("head", head, "drug"), ("tail", tail, "problem"))
    }
    return example(number, text, label=label, **spans)


def test_tfidf_tells_relations_in_one_sentence_apart_by_their_mentions() -> None:
    def rows(drugs: list[str]) -> list[Example]:
        text = "{0} was given for pain but caused nausea ."
        return [
            made
            for number, drug in enumerate(drugs)
            for made in (
                relation(2 * number, text.format(drug), drug, "pain", "treats"),
                relation(2 * number + 1, text.format(drug), drug, "nausea", "causes"),
            )
        ]

    of = card("relations", "none", "treats", "causes", metric="relation-f1")
    train, test = rows(["aspirin", "codeine", "morphine", "tramadol"]), rows(["ibuprofen", "fentanyl"])

    assert headline(fit_baseline("tfidf-logistic", train, train, of)(test), of) == 1.0


def test_overlapping_mentions_of_a_relation_are_allowed() -> None:
    train = [
        relation(n, "drug rash seen", ("drug", "drug rash")[n % 2], "drug rash", ("a", "none")[n % 2]) for n in range(8)
    ]
    of = card("relations", "none", "a", metric="relation-f1")

    assert headline(fit_baseline("tfidf-logistic", train, train, of)(train), of) == 1.0


def sentences(num: int, seed: int) -> list[Example]:
    """`<verb> <dose> mg of <drug> …`: drugs are unseen words that end alike, so only their form gives them away."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(num):
        stem = "".join(generator.choice(list("bcdfglmnprst"), size=4))
        dose = str(generator.integers(1, 900))
        tokens = (str(generator.choice(["take", "give", "stop"])), dose, "mg", "of", f"{stem}amide", "sulfate", "daily")
        rows.append(example(number, tokens=tokens, tags=("O", "B-dose", "I-dose", "O", "B-drug", "I-drug", "O")))
    return rows


def test_tfidf_tags_unseen_words_by_their_form_and_neighbours() -> None:
    of = card("entities", "drug", "dose", metric="entity-f1")
    predictions = fit_baseline("tfidf-logistic", sentences(60, 0), sentences(20, 1), of)(sentences(30, 2))

    assert headline(predictions, of) == 1.0


def test_a_sentence_without_words_gets_no_tags() -> None:
    of = card("entities", "drug", "dose", metric="entity-f1")
    predictions = fit_baseline("tfidf-logistic", sentences(20, 0), [], of)([example(0), *sentences(1, 3), example(2)])

    assert [len(tags) for tags in predictions.predicted_tags] == [0, 7, 0]


def test_train_without_entities_predicts_none() -> None:
    train = [example(0, tokens=("no", "drug"), tags=("O", "O"))]
    predictions = fit_baseline("tfidf-logistic", train, train, card("entities", "drug", metric="entity-f1"))(train)

    assert predictions.predicted_tags == (("O", "O"),)


def test_decoding_is_the_likeliest_sequence_among_the_valid_ones() -> None:
    tags = ("O", "B-drug", "I-drug", "I-dose")
    # Word by word the best is `O I-drug`, which is not valid; `B-drug I-drug` (.3 * .8) beats `O O` (.6 * .1).
    probabilities = np.array([[0.6, 0.3, 0.05, 0.05], [0.1, 0.05, 0.8, 0.05]])

    assert decode(np.log(probabilities), tags) == ("B-drug", "I-drug")
    assert decode(np.log(probabilities[:0]), tags) == ()


def test_decoding_never_gives_an_orphan_inside_tag() -> None:
    generator = np.random.default_rng(0)
    tags = ("B-drug", "I-dose", "I-drug", "O")
    for _ in range(50):
        found = decode(np.log(generator.random((9, 4))), tags)
        for before, after in pairwise(("O", *found)):
            assert after in {"O", "B-drug"} or (after == "I-drug" and before in {"B-drug", "I-drug"})


def test_decoding_equals_trying_every_sequence() -> None:
    generator = np.random.default_rng(1)
    tags = ("O", "B-a", "I-a", "B-b", "I-b")
    for _ in range(10):
        scores = np.log(generator.random((4, 5)))
        found = decode(scores, tags)
        total = sum(scores[word, tags.index(tag)] for word, tag in enumerate(found))
        assert math.isclose(
            total, max(total_of(path, scores) for path in np.ndindex(5, 5, 5, 5) if is_valid(path, tags))
        )


def total_of(path: tuple[int, ...], scores: Any) -> float:
    return float(sum(scores[word, tag] for word, tag in enumerate(path)))


def is_valid(path: tuple[int, ...], tags: tuple[str, ...]) -> bool:
    named = ["O", *(tags[index] for index in path)]
    return all(after[0] != "I" or before[1:] == after[1:] for before, after in pairwise(named))


def test_an_unknown_baseline_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'majority'"):
        fit_baseline("majorty", notes(3), [], NOTES)
