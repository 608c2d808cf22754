"""Reduced precision is chosen where the hardware has it, and leaves what trains in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from clinpeft.errors import BadInput
from clinpeft.methods.base import METHODS
from clinpeft.methods.bitfit import BitFit
from clinpeft.methods.lora import Lora
from clinpeft.testing.tiny import tiny_texts
from clinpeft.train import precision
from clinpeft.train.evaluate import predict_scores
from clinpeft.train.precision import choose_precision, computing, prepare

CPU = torch.device("cpu")


def test_fp16_on_a_cpu_is_refused() -> None:
    with pytest.raises(BadInput, match=r"train\.precision: fp16 does not train on a CPU; use auto, bf16 or fp32"):
        choose_precision("fp16", CPU)


@pytest.mark.parametrize(("has_bf16", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_computes_in_bf16_where_it_can(has_bf16: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: has_bf16)

    assert choose_precision("auto", CPU) == chosen


@pytest.mark.parametrize(("capability", "chosen"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_computes_in_bf16_where_it_can(
    capability: tuple[int, int], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    assert choose_precision("auto", torch.device("cuda")) == chosen


def test_what_is_asked_for_is_used() -> None:
    assert choose_precision("fp32", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("fp16", torch.device("cuda")) == "fp16"


@pytest.mark.parametrize("name", METHODS.names())
def test_what_trains_stays_in_float32_and_frozen_matrices_do_not(name: str, make_model: Any) -> None:
    method = METHODS.get(name)()
    model = make_model(method)
    frozen = {
        id(module.weight)
        for module in model.backbone.modules()
        if isinstance(module, nn.Linear) and not module.weight.requires_grad
    }
    prepare(model, "bf16")

    assert {value.dtype for value in model.parameters() if value.requires_grad} == {torch.float32}
    assert {value.dtype for value in model.parameters() if id(value) in frozen} <= {torch.bfloat16}
    assert bool(frozen) == (name != "full")
    # Norms and embeddings are no matrices.
    assert model.backbone.get_parameter(_named(model, "embeddings.LayerNorm.weight")).dtype == torch.float32


def _named(model: Any, suffix: str) -> str:
    return next(name for name, _ in model.backbone.named_parameters() if name.endswith(suffix))


def test_in_float32_nothing_is_changed(make_model: Any) -> None:
    model = make_model(Lora())
    prepare(model, "fp32")

    assert {value.dtype for value in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", METHODS.names())
def test_a_model_answers_nearly_the_same_in_bf16(name: str, make_model: Any) -> None:
    method, texts = METHODS.get(name)(), tiny_texts("classification")
    full, reduced = make_model(method), make_model(method)
    prepare(reduced, "bf16")
    scores = [
        predict_scores(model, texts, "classification", 0, number)
        for model, number in ((full, "fp32"), (reduced, "bf16"))
    ]

    assert scores[0].dtype == scores[1].dtype == np.float64
    np.testing.assert_allclose(scores[1], scores[0], atol=0.02)
    assert not np.array_equal(scores[1], scores[0])


@pytest.mark.parametrize("name", METHODS.names())
def test_a_method_trains_in_bf16(name: str, make_model: Any, train: Any) -> None:
    method = METHODS.get(name)()
    model = make_model(method)
    before = {key: value.detach().clone() for key, value in model.named_parameters() if value.requires_grad}
    fitted = train(model, method, precision="bf16")

    assert fitted.steps == 6
    for key, value in model.named_parameters():
        if value.requires_grad:
            assert value.isfinite().all()
            assert not torch.equal(value, before[key]), key


def test_a_merged_bitfit_still_answers_in_bf16(make_model: Any, train: Any) -> None:
    model, texts = make_model(BitFit()), tiny_texts("classification")
    train(model, BitFit(), precision="bf16")
    merged = BitFit().merge(model)

    assert merged is not None
    assert np.isfinite(predict_scores(merged, texts, "classification", 0, "bf16")).all()


def test_float32_computes_as_torch_does() -> None:
    with computing("fp32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with computing("bf16", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
