"""The third baseline: a regression on what an untouched model makes of the texts, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from clinpeft.data.card import Card
from clinpeft.data.tokenize import Encoded
from clinpeft.methods.head_only import HeadOnly
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example
from clinpeft.testing.tiny import tiny_text, tiny_texts
from clinpeft.train import baseline_encoder
from clinpeft.train.baseline_encoder import EncoderBaseline
from clinpeft.train.baseline_tagger import decode
from clinpeft.train.evaluate import read

LABELS = ("a", "b", "c")
TAGS = ("O", "B-drug", "I-drug")
METRICS = {"multilabel": "auroc", "entities": "entity-f1"}


def card(kind: Kind) -> Card:
    labels = ("drug",) if kind == "entities" else LABELS
    return Card.model_construct(
        name="tiny", kind=kind, labels=labels, positive=None, metric=METRICS.get(kind, "accuracy"), options={}
    )


def example(kind: Kind, number: int, item: Encoded) -> Example:
    """What the encoded text was before."""
    fields: dict[str, Any] = {"label": LABELS[item.label]}
    if kind == "multilabel":
        vector = dict(zip(LABELS, item.label_vector or (), strict=True))
        missing = {label for label, value in vector.items() if value != value}
        fields = {"labels": tuple(label for label in LABELS if vector[label] == 1.0), "missing": tuple(missing)}
    if kind == "entities":
        tags = tuple(TAGS[tag] for tag in (item.piece_tags or ())[1:-1])
        fields = {"tokens": tuple("w" * len(tags)), "tags": tags}
    return Example(example=f"e{number}", subject=f"s{number}", document="d", text="", **fields)


def examples(kind: Kind, texts: list[Encoded]) -> list[Example]:
    return [example(kind, number, item) for number, item in enumerate(texts)]


def states_of(model: ClinicalModel, text: Encoded) -> np.ndarray[Any, Any]:
    """What the backbone gives the head for one text that is alone."""
    [(_, features)] = list(read(model, [text], 0, "fp32"))
    return features[0].double().numpy()


def standard(train: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(StandardScaler().fit(train).transform(rows)) / np.sqrt(train.shape[1])


@pytest.fixture
def fitted(make_model: Callable[..., ClinicalModel]) -> Callable[..., EncoderBaseline]:
    """Fitted on the eight tiny texts, its penalty the fixed one."""

    def make(kind: Kind) -> EncoderBaseline:
        baseline = EncoderBaseline(make_model(HeadOnly(), kind), card(kind), 0, "fp32")
        baseline.fit(examples(kind, tiny_texts(kind)), tiny_texts(kind), is_tuned=False)
        return baseline

    return make


@pytest.mark.parametrize("kind", ["classification", "pairs", "relations"])
def test_it_is_scikit_learns_regression_on_the_standardised_states(
    kind: Kind, fitted: Callable[..., EncoderBaseline]
) -> None:
    baseline, train = fitted(kind), tiny_texts(kind)
    others = [tiny_text(kind, number, 6 + number % 3) for number in range(20, 25)]
    states = np.stack([states_of(baseline.model, text) for text in train])
    rows = np.stack([states_of(baseline.model, text) for text in others])
    oracle = LogisticRegression(C=10.0, max_iter=300).fit(standard(states, states), [text.label for text in train])

    found = baseline(examples(kind, others), others).scores

    np.testing.assert_allclose(found, oracle.predict_proba(standard(states, rows)), atol=2e-4)
    assert states.shape[1] == (64 if kind == "relations" else 32)


def test_every_label_has_a_regression_on_the_examples_where_it_was_annotated(
    fitted: Callable[..., EncoderBaseline],
) -> None:
    baseline, train = fitted("multilabel"), tiny_texts("multilabel")
    states = np.stack([states_of(baseline.model, text) for text in train])
    vectors = np.array([text.label_vector for text in train])
    known = ~np.isnan(vectors[:, 2])
    oracle = LogisticRegression(C=10.0, max_iter=300).fit(standard(states, states)[known], vectors[known, 2])

    found = baseline(examples("multilabel", train), train).scores

    assert known.sum() == 7
    assert found is not None
    np.testing.assert_allclose(found[:, 2], oracle.predict_proba(standard(states, states))[:, 1], atol=2e-4)


def test_of_entities_it_reads_the_state_of_each_word_and_answers_in_valid_tags(
    fitted: Callable[..., EncoderBaseline],
) -> None:
    baseline, train = fitted("entities"), tiny_texts("entities")
    words = [states_of(baseline.model, text)[1 : len(text.input_ids) - 1] for text in train]
    gold = [TAGS[tag] for text in train for tag in (text.piece_tags or ())[1:-1]]
    rows = np.concatenate(words)
    oracle = LogisticRegression(C=10.0, max_iter=300).fit(standard(rows, rows), gold)
    tags = [str(tag) for tag in oracle.classes_]

    found = baseline(examples("entities", train), train).predicted_tags

    assert found == tuple(decode(oracle.predict_log_proba(standard(rows, part)), tags) for part in words)
    assert {tag for row in found for tag in row} > {"O", "B-drug"}


def test_words_beyond_the_length_are_no_entity(fitted: Callable[..., EncoderBaseline]) -> None:
    baseline, text = fitted("entities"), tiny_text("entities", 1, 8)
    cut = replace(text, word_starts=[*(text.word_starts or [])[:3], -1, -1, -1])
    [whole] = baseline([example("entities", 0, text)], [text]).predicted_tags
    [found] = baseline([example("entities", 0, text)], [cut]).predicted_tags

    assert len(whole) == 6
    assert found[3:] == ("O", "O", "O")
    assert not baseline([], []).predicted_tags


def test_of_a_text_in_windows_it_reads_their_mean(fitted: Callable[..., EncoderBaseline]) -> None:
    baseline, (one, other) = fitted("classification"), [tiny_text("classification", 30, n) for n in (6, 9)]
    long = replace(one, further=(other,))
    found = baseline_encoder._of_texts(baseline.model, [one, long, other], 0, "fp32")

    np.testing.assert_allclose(found[1], (found[0] + found[2]) / 2, atol=1e-6)
    assert np.abs(found[0] - found[2]).max() > 0.01


def test_of_entities_in_windows_each_word_is_read_in_its_own(fitted: Callable[..., EncoderBaseline]) -> None:
    baseline, (one, other) = fitted("entities"), [tiny_text("entities", 30, n) for n in (6, 9)]
    apart = baseline_encoder._of_words(baseline.model, [one, other], 0, "fp32")
    [together] = baseline_encoder._of_words(baseline.model, [replace(one, further=(other,))], 0, "fp32")

    np.testing.assert_allclose(together, np.concatenate(apart), atol=1e-6)


def test_no_weight_of_the_model_changes(fitted: Callable[..., EncoderBaseline], make_model: Any) -> None:
    untouched = make_model(HeadOnly()).state_dict()

    assert all(
        torch.equal(value, untouched[name]) for name, value in fitted("classification").model.state_dict().items()
    )


def test_the_penalty_is_the_one_that_validation_likes_best(
    make_model: Callable[..., ClinicalModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = [tiny_text("classification", number, 6 + number % 7) for number in range(40)]
    rest = [tiny_text("classification", number, 6 + number % 5) for number in range(100, 140)]
    baseline = EncoderBaseline(make_model(HeadOnly()), card("classification"), 0, "fp32")
    baseline.fit(examples("classification", train), train, is_tuned=True)
    rights, alone = [], []
    for answer in list(baseline._answers):
        scores = answer(baseline._states(rest))
        alone.append(scores)
        rights.append(float((scores.argmax(1) == [text.label for text in rest]).mean()))

    found = baseline.choose(examples("classification", rest), rest)

    assert len(set(rights)) > 1, "else this says nothing"
    assert np.array_equal(found.scores, alone[int(np.argmax(rights))])  # type: ignore[arg-type]
    again = baseline(examples("classification", rest), rest).scores
    np.testing.assert_array_equal(again, found.scores)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["classification", "entities"])
def test_where_train_holds_a_single_answer_it_gives_that(kind: Kind, make_model: Callable[..., ClinicalModel]) -> None:
    texts = tiny_texts(kind)
    rows = [
        replace(one, **({"label": "b"} if kind == "classification" else {"tags": ("O",) * len(one.tags)}))
        for one in examples(kind, texts)
    ]
    baseline = EncoderBaseline(make_model(HeadOnly(), kind), card(kind), 0, "fp32")
    baseline.fit(rows, texts, is_tuned=True)
    found = baseline.choose(rows, texts)

    if kind == "classification":
        assert found.scores is not None
        assert found.scores.tolist() == [[0.0, 1.0, 0.0]] * 8
    else:
        assert {tag for row in found.predicted_tags for tag in row} == {"O"}


def test_of_very_many_words_it_reads_every_second_text(
    make_model: Callable[..., ClinicalModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = tiny_texts("entities")
    num_words = sum(len(text.word_starts or ()) for text in texts)
    asked: list[int] = []
    plain = baseline_encoder._of_words
    monkeypatch.setattr(
        baseline_encoder, "_of_words", lambda model, some, *rest: asked.append(len(some)) or plain(model, some, *rest)
    )
    for most in (num_words, num_words - 1):
        monkeypatch.setattr(baseline_encoder, "MOST_WORDS", most)
        baseline = EncoderBaseline(make_model(HeadOnly(), "entities"), card("entities"), 0, "fp32")
        baseline.fit(examples("entities", texts), texts, is_tuned=False)

    assert asked == [8, 4]
