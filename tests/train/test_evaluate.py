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

from clinpeft.data.batch import collate
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
from clinpeft.train import features
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
    monkeypatch.setattr(features, "CPU_PIECES", 20)
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

    card = Card.model_construct(name="made-up", kind="entities", labels=("drug",), options={}, metric="entity-f1")
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


LONG = replace(tiny_texts("classification")[0], further=tuple(tiny_texts("classification")[1:4]))


def test_the_probabilities_of_a_long_text_come_from_the_mean_of_its_windows_logits(make_model: Any) -> None:
    model = make_model(HeadOnly()).eval()
    with torch.no_grad():
        logits = model(collate(tiny_texts("classification"), range(4), 0))
    expected = logits.double().mean(0).softmax(-1).numpy()

    assert len(LONG.windows) == 4
    np.testing.assert_allclose(predict_scores(model, [LONG], "classification", 0, "fp32"), [expected], atol=1e-6)


@pytest.mark.parametrize("pieces", [8, 40, 100])
def test_a_long_text_is_scored_the_same_in_passes_of_any_size(
    pieces: int, make_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, items = make_model(HeadOnly()), [LONG, *tiny_texts("classification"), LONG]
    together = predict_scores(model, items, "classification", 0, "fp32")
    monkeypatch.setattr(features, "CPU_PIECES", pieces)

    np.testing.assert_allclose(predict_scores(model, items, "classification", 0, "fp32"), together, atol=1e-6)
    np.testing.assert_allclose(together[0], together[-1], atol=1e-6)


def test_tags_of_a_long_sentence_are_stitched(make_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, texts = make_model(HeadOnly(), "entities"), tiny_texts("entities")
    with torch.no_grad():
        model.head.out.weight.normal_()
    # Each window answers for its first words only.
    windows = [replace(text, word_starts=[1, 2, 3][:number]) for number, text in enumerate(texts[:4], start=1)]
    long = replace(windows[0], further=tuple(windows[1:]))
    alone = predict_tags(model, windows, TAGS, 0, "fp32")
    monkeypatch.setattr(features, "CPU_PIECES", 24)
    stitched = predict_tags(model, [texts[4], long, texts[5]], TAGS, 0, "fp32")

    assert [len(tags) for tags in alone] == [1, 2, 3, 3]
    assert stitched[1] == valid_iob2(tuple(tag for tags in alone for tag in tags))
    assert stitched[::2] == predict_tags(model, texts[4:6], TAGS, 0, "fp32")


def test_windows_of_a_sentence_tag_every_word_as_one_pass_would(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    card = Card.model_construct(name="made-up", kind="entities", labels=("drug",), options={}, metric="entity-f1")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    encoder = Encoder(tokenizer, card, max_length=10, long_text="windows", has_token_types=True)
    words = tuple("abcdefghijklmnopqrstuvwxyz")
    tags = tuple("B-drug" if word in "hq" else "O" for word in words)
    example = Example("e", "s", "d", " ".join(words), tokens=words, tags=tags)
    encoded = encoder.encode([example])
    model = load(resolve(ModelChoice(name="own", path=str(tiny_model)), Path()), "entities", 3, 1)
    letters = torch.tensor(tokenizer.convert_tokens_to_ids(["h", "q"]))
    model.features = lambda batch: torch.isin(batch.input_ids, letters).float().unsqueeze(-1).expand(-1, -1, 32)
    model.head.forward = lambda features, num_windows: torch.stack([0.5 + 0 * features[..., 0], features[..., 0]], -1)

    assert len(encoded[0].windows) > 2
    assert predict_tags(model, encoded, encoder.tags, encoder.pad_id, "fp32") == [tags]
