"""Fused low-rank layers: the same results and gradients as peft's, for every method of plain pairs and no other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from clinpeft.methods.adalora import AdaLora
from clinpeft.methods.base import Context, Method
from clinpeft.methods.dora import Dora
from clinpeft.methods.eva import Eva
from clinpeft.methods.lora import Lora
from clinpeft.methods.lora_8bit import Lora8bit
from clinpeft.methods.lora_fa import LoraFa
from clinpeft.methods.lora_plus import LoraPlus
from clinpeft.methods.olora import OLoRA
from clinpeft.methods.pissa import PiSSA
from clinpeft.methods.rslora import RsLora
from clinpeft.methods.vera import Vera
from clinpeft.models.load import ClinicalModel
from clinpeft.testing.tiny import tiny_batch, tiny_model
from clinpeft.train.fused import fuse_low_rank

BATCH = tiny_batch("classification")


def applied(method: Method, family: str = "bert") -> ClinicalModel:
    """A model whose low-rank matrices are none of them 0."""
    model = tiny_model(family, "classification", 3)
    torch.manual_seed(0)
    model = method.apply(model, model.card, Context(0, "classification", 10, lambda: iter([BATCH])))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value += 0.1 * torch.randn_like(value)
    return model.eval()


def answers(model: ClinicalModel) -> list[torch.Tensor | None]:
    """Logits, and the gradient of every parameter."""
    model.zero_grad(set_to_none=True)
    logits = model(BATCH)
    nn.functional.cross_entropy(logits, BATCH.labels).backward()
    return [logits.detach(), *(value.grad for value in model.parameters())]


@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.parametrize("method", [Lora(), RsLora(), LoraPlus(), LoraFa(), PiSSA(), OLoRA(), Eva()])
def test_a_fused_layer_gives_peft_s_results_and_gradients(method: Method, family: str) -> None:
    model = applied(method, family)
    plain = answers(model)
    num_fused = fuse_low_rank(model)

    assert num_fused == 4
    torch.testing.assert_close(answers(model), plain, atol=1e-5, rtol=1e-4)


def test_its_result_may_be_changed_in_place() -> None:
    model = applied(Lora(), "longformer")
    plain = answers(model)

    # Query and value, and their twins of the global attention, in two layers; Longformer divides queries in place.
    assert fuse_low_rank(model) == 8
    torch.testing.assert_close(answers(model), plain, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", [Lora(dropout=0.1), Dora(), AdaLora(), Vera(), Lora8bit()])
def test_other_layers_stay_as_they_are(method: Any) -> None:
    if method.refuses(tiny_model("bert", "classification", 3).card, "classification"):
        pytest.skip("needs bitsandbytes")

    assert fuse_low_rank(applied(method)) == 0


@pytest.mark.parametrize(("method", "num_kept"), [(Lora(), 2), (LoraFa(), 1)])
def test_a_layers_input_is_kept_only_where_the_first_matrix_trains(method: Method, num_kept: int) -> None:
    model = applied(method)
    layer: Any = next(module for module in model.modules() if hasattr(module, "lora_A"))
    fuse_low_rank(model)
    kept: list[torch.Tensor] = []
    states = torch.randn(2, 5, 32)
    with torch.autograd.graph.saved_tensors_hooks(lambda value: kept.append(value) or value, lambda value: value):
        layer(states)

    # One row for each of ten word pieces: the input, and what the first matrix makes of it.
    assert [tuple(value.shape) for value in kept if len(value) == 10] == [(10, 32), (10, 8)][2 - num_kept :]
