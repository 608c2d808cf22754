"""Which of a backbone's dropout is on, and that its masks are what dropout's are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from clinpeft.models import dropout as module
from clinpeft.models.attention import NAME
from clinpeft.models.catalogue import ResolvedModel, resolve
from clinpeft.models.dropout import OF_ATTENTION, OF_STATES, MaskedDropout, drop_nothing
from clinpeft.models.families.base import FAMILIES
from clinpeft.models.load import ClinicalModel, load
from clinpeft.spec import ModelChoice
from clinpeft.testing.tiny import tiny_batch
from clinpeft.testing.tiny import tiny_model as random_network

FAMILIES_WITHOUT = ("llama", "qwen3", "mistral", "gemma3-text", "smollm3", "eurobert")
"""Their configurations know dropout of the attention's weights only, or none."""


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    """A family's tiny model as a folder whose configuration asks for dropout everywhere."""

    def save(family: str) -> ResolvedModel:
        folder = tmp_path / family
        random_network(family, "classification", 3).backbone.save_pretrained(folder)  # type: ignore[operator]
        config = json.loads((folder / "config.json").read_text())
        asked = {name: 0.1 for name in (*OF_ATTENTION, *OF_STATES) if name in config}
        (folder / "config.json").write_text(json.dumps({**config, **asked}))
        found = resolve(ModelChoice(name="own", path=str(folder)), Path())
        return replace(found, card=found.card)

    return save


def twice(model: ClinicalModel) -> tuple[torch.Tensor, torch.Tensor]:
    """The features of one batch in two passes of training."""
    model.train()
    batch = tiny_batch("classification")
    with torch.inference_mode():
        return model.features(batch), model.features(batch)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_share_is_zero_and_the_rest_is_larger(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    found = MaskedDropout(0.25)(torch.ones(500, 400, dtype=dtype))

    assert set(found.unique().tolist()) == {0.0, torch.tensor(1 / 0.75, dtype=dtype).item()}
    assert (found == 0).float().mean().item() == pytest.approx(0.25, abs=0.005)


def test_the_gradient_goes_where_the_states_went() -> None:
    states = torch.full((30, 40), 2.0, requires_grad=True)
    found = MaskedDropout(0.5)(states)
    found.sum().backward()

    assert states.grad is not None
    torch.testing.assert_close(states.grad, found.detach() / 2)


def test_every_use_takes_another_piece_and_the_seed_says_which() -> None:
    layer, states = MaskedDropout(0.1), torch.ones(64, 64)
    torch.manual_seed(7)
    first, second = layer(states), layer(states)
    torch.manual_seed(7)

    assert not torch.equal(first, second)
    torch.testing.assert_close(layer(states), first, rtol=0, atol=0)


def test_states_too_large_for_a_mask_are_dropped_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALLEST_MASK", 64)
    monkeypatch.setattr(module, "LARGEST_MASK", 128)
    torch.manual_seed(1)

    assert (MaskedDropout(0.5)(torch.ones(1000)) == 0).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_nothing_is_dropped_outside_training() -> None:
    states = torch.ones(8, 8)

    assert MaskedDropout(0.5).eval()(states) is states
    assert MaskedDropout(0.0)(states) is states


@pytest.mark.parametrize("family", FAMILIES.names())
def test_none_draws_nothing_whatever_the_configuration_asks_for(family: str, saved: Any) -> None:
    first, second = twice(load(saved(family), "classification", 3, 1, dropout="none"))

    assert torch.equal(first, second)


@pytest.mark.parametrize("family", FAMILIES.names())
def test_hidden_draws_for_the_states_and_not_for_the_attention(family: str, saved: Any) -> None:
    model = load(saved(family), "classification", 3, 1, dropout="hidden")
    first, second = twice(model)
    masks = {path for path, each in model.backbone.named_modules() if isinstance(each, MaskedDropout)}

    assert torch.equal(first, second) == (family in FAMILIES_WITHOUT)
    assert bool(masks) == (family not in FAMILIES_WITHOUT)
    assert not any(isinstance(each, nn.Dropout) and each.p for each in model.backbone.modules())
    for each in model.backbone.modules():
        if isinstance(each, MaskedDropout):
            each.p = 0.0
    assert torch.equal(*twice(model)), "what is left is drawn in the attention"


def test_model_leaves_the_attention_to_torch(saved: Any) -> None:
    bert = saved("bert")
    model = load(bert, "classification", 3, 1, dropout="model")
    for path, each in model.backbone.named_modules():
        if isinstance(each, MaskedDropout) and not path.endswith("attention.self.dropout"):
            each.p = 0.0

    assert (model.attention, load(bert, "classification", 3, 1, dropout="hidden").attention) == ("sdpa", NAME)
    assert not torch.equal(*twice(model))


@pytest.mark.parametrize("family", FAMILIES.names())
def test_it_can_be_turned_off_for_good(family: str, saved: Any) -> None:
    model = load(saved(family), "classification", 3, 1, dropout="model")
    drop_nothing(model.backbone)

    assert torch.equal(*twice(model))


def test_on_a_gpu_the_masks_are_torchs_own(saved: Any) -> None:
    model = load(saved("bert"), "classification", 3, 1, torch.device("cuda"), dropout="hidden")

    assert not any(isinstance(each, MaskedDropout) for each in model.backbone.modules())
    assert any(isinstance(each, nn.Dropout) and each.p for each in model.backbone.modules())
