"""Scores come in the order of the split, whatever the batches; what was cut off is a miss, never a guess."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.card import Card
from clinpeft.data.tokenize import Encoder
from clinpeft.methods.head_only import HeadOnly
from clinpeft.metrics.base import METRICS
from clinpeft.metrics.intervals import score
from clinpeft.models.catalogue import resolve
from clinpeft.models.load import load
from clinpeft.spec import Kind, ModelChoice
from clinpeft.tasks.base import Example
from clinpeft.testing.tiny import tiny_texts
from clinpeft.train import evaluate
from clinpeft.train.evaluate import predict_scores, predict_tags, valid_iob2
from clinpeft.train.predictions import predictions_from

TAGS = ("O", "B-drug", "I-drug")


@pytest.mark.parametrize("kind", ["classification", "multilabel", "relations", "pairs"])
def test_scores_stand_in_the_order_of_the_split_however_they_are_batched(
    kind: Kind, make_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, texts = make_model(HeadOnly(), kind), tiny_texts(kind)
    together = predict_scores(model, texts, kind, 0, "fp32")
    alone = np.concatenate([predict_scores(model, [text], kind, 0, "fp32") for text in texts])
    monkeypatch.setattr(evaluate, "PIECES_PER_BATCH", 20)
    in_parts = predict_scores(model, texts, kind, 0, "fp32")

    assert together.shape == (8, 3)
    np.testing.assert_allclose(alone, together, atol=1e-6)
    np.testing.assert_allclose(in_parts, together, atol=1e-6)
    assert len({row.tobytes() for row in together}) == 8


def test_classes_share_a_probability_of_one_and_labels_do_not(make_model: Any) -> None:
    classes = predict_scores(make_model(HeadOnly()), tiny_texts("classification"), "classification", 0, "fp32")
    labels = predict_scores(make_model(HeadOnly(), "multilabel"), tiny_texts("multilabel"), "multilabel", 0, "fp32")

    np.testing.assert_allclose(classes.sum(axis=1), 1, rtol=1e-12)
    assert ((labels > 0) & (labels < 1)).all()
    assert abs(labels.sum(axis=1) - 1).max() > 0.1


def test_scoring_drops_nothing_and_leaves_the_model_as_it_was(make_model: Any) -> None:
    model, texts = make_model(HeadOnly()), tiny_texts("classification")
    model.train()
    first, again = (predict_scores(model, texts, "classification", 0, "fp32") for _ in range(2))

    assert first.tobytes() == again.tobytes()
    assert model.training
    model.eval()
    predict_scores(model, texts, "classification", 0, "fp32")
    assert not model.training


def test_every_word_gets_the_tag_of_its_first_piece(make_model: Any) -> None:
    model, texts = make_model(HeadOnly(), "entities"), tiny_texts("entities")
    with torch.no_grad():
        model.head.out.weight.normal_()
    tags = predict_tags(model, texts, TAGS, 0, "fp32")

    assert [len(row) for row in tags] == [len(text.input_ids) - 2 for text in texts]
    assert {tag for row in tags for tag in row} > {"O", "B-drug"}
    assert tags == [row for text in texts for row in predict_tags(model, [text], TAGS, 0, "fp32")]


def test_an_entity_beyond_the_models_length_is_a_miss(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    card = Card.model_construct(name="made-up", kind="entities", labels=("drug",), positive=None, metric="entity-f1")
    encoder = Encoder(
        AutoTokenizer.from_pretrained(tiny_model), card, max_length=8, long_text="truncate", has_token_types=True
    )
    words = tuple("abcdefgh")
    tags = ("B-drug", "B-drug", "O", "O", "O", "B-drug", "I-drug", "B-drug")
    example = Example("e", "s", "d", " ".join(words), tokens=words, tags=tags)
    encoded = encoder.encode([example])
    model = load(resolve(ModelChoice(name="own", path=str(tiny_model)), Path()), "entities", 3, 1)
    with torch.no_grad():
        # Whatever the text: a new entity at every word that the model sees.
        model.head.out.weight.zero_()
        model.head.out.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    predicted = predict_tags(model, encoded, encoder.tags, encoder.pad_id, "fp32")

    assert predicted == [("B-drug",) * 6 + ("O", "O")]
    assert encoded[0].labels_lost == 2
    # Of four entities two are found; one of two words and one beyond are not. Six were named.
    predictions = predictions_from([example], card, predicted_tags=predicted)
    assert score(METRICS.get("entity-f1")(), predictions, num_resamples=0).value == pytest.approx(2 * 2 / (4 + 6))


def test_a_sentence_without_words_has_no_tags(make_model: Any) -> None:
    empty = replace(tiny_texts("entities")[0], input_ids=[2, 3], piece_tags=[-100, -100], word_starts=[])

    assert predict_tags(make_model(HeadOnly(), "entities"), [empty], TAGS, 0, "fp32") == [()]


@given(st.lists(st.sampled_from(["O", "B-drug", "I-drug", "B-dose", "I-dose"]), max_size=8))
def test_tags_become_valid_and_valid_ones_stay(tags: list[str]) -> None:
    fixed = valid_iob2(tuple(tags))

    assert valid_iob2(fixed) == fixed
    assert [tag[2:] for tag in fixed] == [tag[2:] for tag in tags]
    for before, tag in zip(("O", *fixed), fixed, strict=False):
        assert not tag.startswith("I-") or before[2:] == tag[2:]
