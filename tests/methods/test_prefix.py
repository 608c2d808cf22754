"""A prefix enters the attention of every family, is seen by every query, and is peft's where peft has one."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clinpeft.data.batch import Batch, collate
from clinpeft.errors import BadInput
from clinpeft.methods._prefix import OWN_FORWARDS, Prefix, _attend, attention_modules, settle
from clinpeft.methods.base import Context
from clinpeft.methods.prefix_tuning import REWRITTEN, PrefixTuning
from clinpeft.models.families.base import FAMILIES
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.testing.tiny import tiny_card, tiny_config, tiny_model, tiny_texts

SERVED = [name for name in FAMILIES.names() if name != "longformer"]


def prefixed(family: str, kind: Kind = "entities", *, num: int = 3, **options: Any) -> ClinicalModel:
    model, method = tiny_model(family, kind, 3), PrefixTuning(num_virtual_tokens=num, **options)
    torch.manual_seed(0)
    return method.apply(model, model.card, Context(0, kind, 10, lambda: iter(()))).eval()


def prefixes(model: ClinicalModel) -> list[torch.Tensor]:
    return [module.prefix.states.data for _, module in attention_modules(model.backbone, model.card)]


def batch_for(model: ClinicalModel, kind: Kind = "entities", rows: slice = slice(None)) -> Batch:
    texts = tiny_texts(kind)[rows]
    batch = collate(texts, range(len(texts)), 0)
    return batch if model.card.architecture().has_token_types else replace(batch, token_type_ids=None)


def states_of(model: ClinicalModel, batch: Batch, **inputs: Any) -> torch.Tensor:
    """Of the real word pieces, one after the other."""
    with torch.inference_mode():
        output = model.backbone(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **inputs)
    states: torch.Tensor = output.last_hidden_state[batch.attention_mask == 1]
    return states


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_it_is_pefts_where_the_text_stands_at_pefts_positions(family: str) -> None:
    from peft import PrefixTuningConfig, get_peft_model

    ours, theirs = prefixed(family), tiny_model(family, "entities", 3)
    shape = prefixes(ours)[0].shape[1::2]
    config = PrefixTuningConfig(
        task_type="FEATURE_EXTRACTION",
        num_virtual_tokens=3,
        num_layers=2,
        num_attention_heads=shape[0],
        token_dim=shape[0] * shape[1],
        num_transformer_submodules=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        other = get_peft_model(theirs.backbone, config).eval()
    drawn = other.prompt_encoder["default"].embedding.weight.data.view(3, 2, 2, *shape)
    for layer, states in enumerate(prefixes(ours)):
        states.copy_(drawn[:, layer].permute(1, 2, 0, 3))
    batch = batch_for(ours)
    with torch.inference_mode():
        expected = other(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
    positions = torch.arange(3, 3 + batch.input_ids.shape[1]).unsqueeze(0)

    assert torch.equal(states_of(ours, batch, position_ids=positions), expected[batch.attention_mask == 1])


@pytest.mark.parametrize("family", SERVED)
def test_without_a_single_token_it_is_the_model_itself(family: str) -> None:
    plain, model = tiny_model(family, "entities", 3).eval(), prefixed(family)
    for _, module in attention_modules(model.backbone, model.card):
        settle(module, module.prefix.states.data[:, :, :0])
    batch = batch_for(plain)

    assert torch.allclose(states_of(model, batch), states_of(plain, batch), atol=3e-6)


@pytest.mark.parametrize("family", SERVED)
def test_every_word_piece_sees_the_prefix_of_every_layer(family: str) -> None:
    # The longest text has 16 pieces, where families with windows have windows of 8.
    model = prefixed(family)
    batch = batch_for(model, rows=slice(2, 3))
    before = states_of(model, batch)
    for states in prefixes(model):
        kept = states.clone()
        states[1] += 1.0
        moved = (states_of(model, batch) - before).abs().amax(1)
        states.copy_(kept)

        assert len(moved) == 16
        assert moved.min() > 1e-4


@pytest.mark.parametrize("family", SERVED)
def test_what_the_padding_is_changes_nothing(family: str) -> None:
    model = prefixed(family)
    together = batch_for(model)
    lengths = together.attention_mask.sum(1).tolist()
    alone = [states_of(model, batch_for(model, rows=slice(row, row + 1))) for row in range(len(lengths))]

    assert torch.allclose(states_of(model, together), torch.cat(alone), atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "modernbert", "llama", "gemma3-text", "t5"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_who_computes_the_attention_changes_nothing(implementation: str, family: str) -> None:
    ours, theirs = prefixed(family), tiny_model(family, "entities", 3)
    theirs.backbone.config._attn_implementation = implementation
    torch.manual_seed(0)
    method = PrefixTuning(num_virtual_tokens=3)
    method.apply(theirs, theirs.card, Context(0, "entities", 10, lambda: iter(()))).eval()
    # Without padding, transformers writes out no mask.
    for rows in (slice(None), slice(2, 3)):
        batch = batch_for(ours, rows=rows)
        assert torch.allclose(states_of(ours, batch), states_of(theirs, batch), atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "llama", "deberta-v2"])
def test_in_a_backbone_of_short_numbers_it_trains_in_full_precision(family: str) -> None:
    from clinpeft.train.precision import computing, prepare

    model = prefixed(family)
    prepare(model, "bf16")
    batch = batch_for(model)
    with computing("bf16", torch.device("cpu")):
        model(batch).sum().backward()

    for _, module in attention_modules(model.backbone, model.card):
        assert module.prefix.states.dtype == module.prefix.states.grad.dtype == torch.float32
        assert module.prefix.states.grad.abs().amax(dim=(1, 2, 3)).min() > 0


def test_layers_that_share_their_weights_share_one_prefix() -> None:
    assert [tuple(states.shape) for states in prefixes(prefixed("albert"))] == [(2, 2, 3, 16)]
    assert len(prefixes(prefixed("bert"))) == 2


def test_grouped_heads_have_a_prefix_for_each_group() -> None:
    # Two heads read one key.
    assert [tuple(states.shape) for states in prefixes(prefixed("llama"))] == [(2, 1, 3, 16)] * 2


@pytest.mark.parametrize(
    ("mask", "longer"),
    [
        (torch.tensor([[True, False]]), [[True, True, True, False]]),
        (torch.tensor([[0.0, -9.0]]), [[0.0, 0.0, 0.0, -9.0]]),
        (None, None),
    ],
    ids=["bool", "float", "none"],
)
def test_masks_show_it_to_every_query_and_positions_say_nothing_of_it(mask: Any, longer: Any) -> None:
    asked: dict[str, Any] = {}

    def attend(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any) -> None:
        asked.update(key=key, value=value, mask=attention_mask, **options)

    states = torch.arange(8.0).view(2, 1, 2, 2)
    module = SimpleNamespace(prefix=Prefix(states))
    text = torch.full((3, 1, 2, 2), 9.0)
    bias = torch.ones(1, 1, 2, 2)
    _attend(attend, module, text, text, text, mask, position_bias=bias, is_causal=True)

    assert asked["key"][1, 0].tolist() == [[0.0, 1.0], [2.0, 3.0], [9.0, 9.0], [9.0, 9.0]]
    assert asked["value"][1, 0].tolist() == [[4.0, 5.0], [6.0, 7.0], [9.0, 9.0], [9.0, 9.0]]
    assert (None if asked["mask"] is None else asked["mask"].tolist()) == longer
    assert asked["position_bias"][0, 0].tolist() == [[0.0, 0.0, 1.0, 1.0]] * 2
    assert asked["is_causal"] is False


def test_a_family_whose_attention_has_no_room_for_it_is_refused() -> None:
    reasons = {
        family: PrefixTuning().refuses(tiny_card(tiny_config(family)), "classification") for family in FAMILIES.names()
    }

    assert {family for family, reason in reasons.items() if reason} == {"longformer"}
    assert reasons["longformer"] == (
        "the attention of family 'longformer' has no room for other keys and values; use lora or p-tuning"
    )
    assert set(REWRITTEN) == set(OWN_FORWARDS)


@pytest.mark.parametrize("family", ["bert", "t5", "llama"])
def test_of_a_projection_only_the_prefix_that_it_came_to_is_kept(family: str, tmp_path: Path) -> None:
    model, plain = prefixed(family, "classification", projection=True), prefixed(family, "classification", num=3)
    batch = batch_for(model, "classification")
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "prefix.trunk" in name:
                value.normal_()
    PrefixTuning(num_virtual_tokens=3, projection=True).save(model, tmp_path)
    PrefixTuning(num_virtual_tokens=3).load(plain, tmp_path)
    with torch.inference_mode():
        expected, found = model(batch), plain(batch)

    heads = prefixes(plain)[0].shape[1]
    stored = load_file(tmp_path / "adapter_model.safetensors")
    assert [tuple(value.shape) for value in stored.values()] == [(2, heads, 3, 16)] * 2
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_a_projection_trains_one_trunk_for_all_layers() -> None:
    model = prefixed("bert", projection=True)
    names = [name for name, value in model.backbone.named_parameters() if value.requires_grad]
    sizes = {name: value.numel() for name, value in model.backbone.named_parameters() if value.requires_grad}

    # 3 embeddings of 32, a layer of 32 · 128 with bias; per layer 128 · 2 · 32 with bias.
    assert sum("trunk" in name for name in names) == 3
    assert sum(sizes.values()) == 3 * 32 + 33 * 128 + 2 * (129 * 64)


def test_another_number_of_tokens_is_not_loaded(tmp_path: Path) -> None:
    PrefixTuning(num_virtual_tokens=3).save(prefixed("bert"), tmp_path)

    with pytest.raises(BadInput, match="holds other parameters than the method trains"):
        PrefixTuning(num_virtual_tokens=4).load(prefixed("bert", num=4), tmp_path)


@pytest.mark.parametrize("family", ["bert", "deberta-v2"])
def test_a_copy_of_the_model_has_a_prefix_of_its_own(family: str) -> None:
    model = prefixed(family)
    other = copy.deepcopy(model)
    batch = batch_for(model)
    for states in prefixes(other):
        states.zero_()

    assert not torch.allclose(states_of(model, batch), states_of(other, batch), atol=1e-3)
