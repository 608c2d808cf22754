"""Bottleneck adapters: where they stand, how wide they are, and what they compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from clinpeft.methods._bottleneck import Bottleneck
from clinpeft.methods.base import Context, Method
from clinpeft.methods.houlsby_adapter import HoulsbyAdapter
from clinpeft.methods.pfeiffer_adapter import PfeifferAdapter
from clinpeft.models.load import ClinicalModel
from clinpeft.testing.tiny import tiny_batch, tiny_model


def adapted(method: Method, family: str, **changes: Any) -> ClinicalModel:
    """A tiny network with the method's adapters."""
    model = tiny_model(family, "classification", 3, **changes)
    return method.apply(model, model.card, Context(1, "classification", 1, lambda: iter([])))


def places(model: ClinicalModel) -> list[str]:
    """The linear maps that an adapter stands behind, in the first layer."""
    found = [
        name.removesuffix(".adapter")
        for name, module in model.backbone.named_modules()
        if isinstance(module, Bottleneck)
    ]
    return [name for name in found if ".0." in name]


@pytest.mark.parametrize(
    ("family", "attention", "feed_forward"),
    [
        ("bert", "encoder.layer.0.attention.output.dense", "encoder.layer.0.output.dense"),
        ("distilbert", "transformer.layer.0.attention.out_lin", "transformer.layer.0.ffn.lin2"),
        ("llama", "layers.0.self_attn.o_proj", "layers.0.mlp.down_proj"),
    ],
)
def test_houlsby_stands_behind_both_parts_of_a_layer_and_pfeiffer_behind_the_second(
    family: str, attention: str, feed_forward: str
) -> None:
    assert places(adapted(HoulsbyAdapter(), family)) == [attention, feed_forward]
    assert places(adapted(PfeifferAdapter(), family)) == [feed_forward]


@pytest.mark.parametrize("method", [HoulsbyAdapter(), PfeifferAdapter()], ids=["houlsby", "pfeiffer"])
def test_an_adapter_starts_as_the_identity(method: Method) -> None:
    batch = tiny_batch("classification")
    plain = tiny_model("bert", "classification", 3).eval()
    with torch.inference_mode():
        assert torch.equal(adapted(method, "bert").eval()(batch), plain(batch))


def test_an_adapter_adds_what_its_two_maps_make_of_the_states() -> None:
    adapter = Bottleneck(2, 1, functional.relu)
    with torch.no_grad():
        adapter.down.weight.copy_(torch.tensor([[1.0, 2.0]]))
        adapter.down.bias.fill_(-1.0)
        adapter.up.weight.copy_(torch.tensor([[3.0], [-1.0]]))
        adapter.up.bias.copy_(torch.tensor([0.5, 0.0]))

    # 1·1 + 2·2 − 1 = 4 goes up as (12, −4) + (0.5, 0); 1·1 − 2·2 − 1 is negative and goes up as nothing.
    found = adapter(torch.tensor([[1.0, 2.0], [1.0, -2.0]]))
    torch.testing.assert_close(found, torch.tensor([[13.5, -2.0], [1.5, -2.0]]))


def test_what_follows_a_map_sees_what_its_adapter_adds() -> None:
    model, batch = adapted(PfeifferAdapter(), "bert"), tiny_batch("classification")
    seen: list[torch.Tensor] = []
    layer: Any = model.backbone.get_submodule("encoder.layer.1.output")
    with torch.inference_mode():
        layer.dense.adapter.up.bias.fill_(2.0)
        layer.dropout.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        layer.dense.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        model.eval()(batch)
        plain = functional.linear(seen[0], layer.dense.weight, layer.dense.bias)

    torch.testing.assert_close(seen[1], plain + 2.0)


@pytest.mark.parametrize(("reduction", "inner"), [(16, 24), (2, 192), (48, 8), (1000, 8)])
def test_a_bottleneck_is_so_many_times_narrower_and_at_least_eight_wide(reduction: int, inner: int) -> None:
    model = adapted(HoulsbyAdapter(reduction=reduction), "bert", hidden_size=384, num_attention_heads=12)
    layer: Any = model.backbone.get_submodule("encoder.layer.0.output.dense")

    assert layer.adapter.down.weight.shape == (inner, 384)
    # Two adapters a layer, each with two matrices and two biases.
    trained = sum(value.numel() for value in model.backbone.parameters() if value.requires_grad)
    assert trained == 2 * 2 * (2 * 384 * inner + inner + 384)


def test_adapters_cannot_be_merged() -> None:
    assert HoulsbyAdapter().merge(adapted(HoulsbyAdapter(), "bert")) is None
