"""Features of a frozen backbone are computed once and are the same as if they were computed every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import nn

from clinpeft.data.batch import collate
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.models.dropout import MaskedDropout
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.testing.tiny import tiny_batch, tiny_texts
from clinpeft.train import features
from clinpeft.train.features import FrozenFeatures, features_of, for_training


@pytest.mark.parametrize("kind", get_args(Kind))
def test_kept_features_give_the_logits_of_the_model(kind: Kind, make_model: Callable[..., ClinicalModel]) -> None:
    model = make_model(HeadOnly(), kind).eval()
    kept = FrozenFeatures(model)
    batch = tiny_batch(kind)
    is_word = batch.attention_mask.bool() if kind == "entities" else ...

    first = kept(batch)
    model.backbone.forward = lambda **inputs: pytest.fail("the backbone was asked again")
    again = kept(batch)

    assert torch.equal(first[is_word], again[is_word])


def test_a_frozen_backbone_drops_nothing(make_model: Callable[..., ClinicalModel]) -> None:
    """Else what was dropped the first time would be missing for the whole run."""
    model = make_model(HeadOnly())
    batch = tiny_batch("classification")
    expected = model.eval().features(batch)
    for name, layer in list(model.backbone.named_modules()):
        if isinstance(layer, nn.Dropout) and not name.endswith("attention.self.dropout"):
            parent, _, last = name.rpartition(".")
            setattr(model.backbone.get_submodule(parent), last, MaskedDropout(0.5))

    assert not torch.equal(features_of(model.train(), batch), expected)

    for_training(model)
    assert torch.equal(features_of(model.train(), batch), expected)


def test_kept_features_serve_batches_of_another_make_up(make_model: Callable[..., ClinicalModel]) -> None:
    model = make_model(HeadOnly(), "entities").eval()
    kept = FrozenFeatures(model)
    batch = tiny_batch("entities")
    whole = kept(batch)
    is_word = batch.attention_mask.bool()

    row = 0
    for part in batch.parts(16):
        logits = kept(part)
        for one in range(len(part.indices)):
            torch.testing.assert_close(logits[one][part.attention_mask[one].bool()], whole[row][is_word[row]])
            row += 1
    assert row == 8


def test_what_does_not_fit_is_computed_again(make_model: Callable[..., ClinicalModel]) -> None:
    model = make_model(HeadOnly()).eval()
    kept = FrozenFeatures(model, max_bytes=0)

    logits = kept(tiny_batch("classification"))

    assert not kept.kept
    torch.testing.assert_close(kept(tiny_batch("classification")), logits)


def test_a_backbone_that_trains_is_always_asked(make_model: Callable[..., ClinicalModel]) -> None:
    adapted, frozen = make_model(Lora()), make_model(HeadOnly())

    assert for_training(adapted) is adapted
    assert isinstance(for_training(frozen), FrozenFeatures)


def test_features_are_kept_by_window(make_model: Callable[..., ClinicalModel]) -> None:
    model = make_model(HeadOnly()).eval()
    texts = tiny_texts("classification")
    batch = collate([replace(texts[0], further=(texts[1], texts[2])), texts[3]], [1, 0], 0)
    kept = FrozenFeatures(model)
    expected = model(batch)

    torch.testing.assert_close(kept(batch), expected)
    model.backbone.forward = lambda **inputs: pytest.fail("the backbone was asked again")
    torch.testing.assert_close(kept(batch), expected)
    assert sorted(kept.kept) == [(0, 0), (0, 1), (0, 2), (1, 0)]


@pytest.mark.parametrize("kind", ["classification", "entities"])
def test_a_text_too_long_for_one_pass_takes_several(
    kind: Kind, make_model: Callable[..., ClinicalModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(HeadOnly(), kind).eval()
    texts = tiny_texts(kind)
    batch = collate([replace(texts[0], further=tuple(texts[1:]))], [0], 0)
    sizes: list[int] = []
    model.backbone.register_forward_pre_hook(
        lambda module, inputs, named: sizes.append(named["input_ids"].numel()), with_kwargs=True
    )
    whole = features_of(model, batch)
    monkeypatch.setattr(features, "CPU_PIECES", 48)
    torch.testing.assert_close(features_of(model, batch), whole)

    assert sizes == [128, 48, 48, 32]
