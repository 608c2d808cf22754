"""Backbones in 4 and 8 bits: how coarse they are, what trains beside them, and what is left when merged."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from clinpeft.methods.base import Context, Method
from clinpeft.methods.lora import Lora
from clinpeft.methods.lora_8bit import Lora8bit
from clinpeft.methods.lora_all_linear import LoraAllLinear
from clinpeft.methods.qlora import QLora
from clinpeft.models.load import count_parameters
from clinpeft.testing.tiny import tiny_batch, tiny_card, tiny_config, tiny_model
from clinpeft.train.precision import computing, prepare

pytest.importorskip("bitsandbytes")
BATCH = tiny_batch("classification")
METHODS = pytest.mark.parametrize("method", [QLora(), Lora8bit()], ids=["4 bits", "8 bits"])


@pytest.fixture
def linear() -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(64, 48)
    layer.requires_grad_(False)
    return layer


def quantized(linear: nn.Linear, bits: Any) -> Any:
    from clinpeft.methods._quantized import QuantizedLinear

    return QuantizedLinear(linear, bits)


def test_four_bits_are_as_exact_as_the_nearest_of_sixteen_values(linear: nn.Linear) -> None:
    weight, found = linear.weight, quantized(linear, 4).weight
    # Blocks of 64 numbers are the rows here. The widest gap of NF4 is from -1 to -0.696; scales keep 8 bits.
    largest = weight.abs().amax(1, keepdim=True)

    assert bool(((found - weight).abs() <= 0.16 * largest).all())
    assert float((found - weight).abs().mean() / weight.abs().mean()) < 0.1


def test_eight_bits_are_as_exact_as_a_127th_of_a_rows_largest_number(linear: nn.Linear) -> None:
    weight, found = linear.weight, quantized(linear, 8).weight

    # Half a step, and what bitsandbytes loses by rounding to fp16 before.
    assert bool(((found - weight).abs() <= 0.6 * weight.abs().amax(1, keepdim=True) / 127).all())


@pytest.mark.parametrize(("bits", "size"), [(4, 48 * 64 // 2), (8, 48 * 64)])
def test_the_weights_take_so_many_bytes_and_no_float_copy_is_kept(linear: nn.Linear, bits: Any, size: int) -> None:
    layer = quantized(linear, bits)
    kept: list[torch.Tensor] = []
    states = torch.randn(5, 64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda value: kept.append(value) or value, lambda value: value):
        layer(states).sum()

    assert layer.packed.numel() * layer.packed.element_size() == size
    assert [name for name, _ in layer.named_parameters()] == ["bias"]
    assert kept == []


@pytest.mark.parametrize("bits", [4, 8])
def test_it_computes_like_a_plain_map_of_the_unpacked_weights(linear: nn.Linear, bits: Any) -> None:
    layer = quantized(linear, bits)
    results = []
    for each in (layer, layer.plain()):
        states = torch.linspace(-1, 1, 3 * 5 * 64).view(3, 5, 64).requires_grad_(True)
        output = each(states)
        (output**2).sum().backward()
        results.append((output.detach(), states.grad))

    torch.testing.assert_close(results[0], results[1])


@METHODS
def test_every_map_of_the_layers_is_quantised_and_nothing_else(method: Method) -> None:
    from clinpeft.methods._quantized import QuantizedLinear

    model = tiny_model("bert", "classification", 3)
    plain = {name for name, module in model.backbone.named_modules() if isinstance(module, nn.Linear)}
    model = method.apply(model, model.card, Context(0, "classification", 10, lambda: iter(())))
    found = {
        name.removesuffix(".base_layer")
        for name, module in model.backbone.get_base_model().named_modules()
        if isinstance(module, QuantizedLinear)
    }

    assert found == plain - {"pooler.dense"}


@pytest.mark.parametrize(("method", "like"), [(QLora(), LoraAllLinear()), (Lora8bit(), Lora())])
def test_parameters_are_counted_as_without_quantising(method: Method, like: Method) -> None:
    def counted(each: Method) -> Any:
        model = tiny_model("bert", "classification", 3)
        return count_parameters(each.apply(model, model.card, Context(0, "classification", 10, lambda: iter(()))))

    assert counted(method) == counted(like)


@METHODS
@pytest.mark.parametrize("family", ["bert", "modernbert", "llama", "t5"])
def test_merged_it_is_a_plain_backbone_with_the_same_answers(method: Method, family: str, logits: Any) -> None:
    model = tiny_model(family, "classification", 3)
    names = [name for name, _ in model.named_parameters()]
    model = method.apply(model, model.card, Context(0, "classification", 10, lambda: iter(())))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    before = logits(model, BATCH)
    merged = method.merge(model)

    assert merged is not None
    assert [name for name, _ in merged.named_parameters()] == names
    assert {value.dtype for value in merged.parameters()} == {torch.float32}
    torch.testing.assert_close(logits(merged, BATCH), before, atol=1e-4, rtol=0)


@METHODS
def test_in_bf16_the_packed_weights_stay_as_they_are(method: Method, logits: Any) -> None:
    model = tiny_model("bert", "classification", 3)
    model = method.apply(model, model.card, Context(0, "classification", 10, lambda: iter(())))
    packed = {name: value.clone() for name, value in model.named_buffers() if name.endswith("packed")}
    exact = logits(model, BATCH)
    prepare(model, "bf16")
    with computing("bf16", torch.device("cpu")):
        coarse = logits(model, BATCH)

    assert len(packed) == 12
    assert all(torch.equal(value, packed[name]) for name, value in model.named_buffers() if name in packed)
    assert {value.dtype for value in model.parameters() if value.requires_grad} == {torch.float32}
    torch.testing.assert_close(coarse, exact, atol=0.1, rtol=0)


@METHODS
def test_it_is_refused_where_the_package_is_missing_or_cannot_quantise(
    method: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tiny_card(tiny_config("bert"))
    assert method.refuses(card, "classification") is None

    spec = importlib.machinery.ModuleSpec("bitsandbytes", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert method.refuses(card, "classification") == (
        "the installed bitsandbytes cannot quantise on this machine: it comes without libbitsandbytes_cpu.so"
    )

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert method.refuses(card, "classification") == (
        "it needs the package bitsandbytes: pip install 'clinpeft[quantized]'"
    )
