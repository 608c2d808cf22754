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
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.testing.tiny import tiny_texts
from clinpeft.train import engine, precision
from clinpeft.train.evaluate import predict_scores
from clinpeft.train.loop import Diverged
from clinpeft.train.meter import Meter
from clinpeft.train.precision import LossScaling, choose_precision, computing, prepare

CPU = torch.device("cpu")


def test_fp16_on_a_cpu_is_refused() -> None:
    with pytest.raises(BadInput, match=r"train\.precision: fp16 does not train on a CPU; use auto, bf16 or fp32"):
        choose_precision("fp16", CPU)


@pytest.mark.parametrize(("has_bf16", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_computes_in_bf16_where_it_can(has_bf16: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: has_bf16)

    assert choose_precision("auto", CPU) == chosen


@pytest.mark.parametrize(("capability", "chosen"), [((8, 0), "bf16"), ((8, 9), "bf16"), ((12, 0), "bf16")])
def test_a_gpu_with_bf16_computes_in_it_unprobed(
    capability: tuple[int, int], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(precision, "_fp16_pays", lambda device: pytest.fail("probed"))

    assert choose_precision("auto", torch.device("cuda")) == chosen


@pytest.mark.parametrize("capability", [(6, 0), (6, 1), (7, 0), (7, 5)])
@pytest.mark.parametrize(("fp16_seconds", "chosen"), [(0.2, "fp16"), (0.89, "fp16"), (0.95, "fp32"), (64.0, "fp32")])
def test_an_older_gpu_computes_in_what_a_probe_finds_faster(
    fp16_seconds: float, chosen: str, capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    # torch counts emulated bf16 as support.
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: pytest.fail("believed"))
    seconds = {torch.float16: fp16_seconds, torch.float32: 1.0}
    monkeypatch.setattr(precision, "_probe_seconds", lambda dtype, device: seconds[dtype])
    precision._fp16_pays.cache_clear()

    assert choose_precision("auto", torch.device("cuda")) == chosen
    precision._fp16_pays.cache_clear()


def test_the_probe_takes_time() -> None:
    assert 0 < precision._probe_seconds(torch.float32, CPU) < 60


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


@pytest.fixture
def in_fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs on the CPU train in fp16, as runs on older GPUs do; no study can ask for it."""
    monkeypatch.setattr(engine, "choose_precision", lambda asked, device: "fp16")


@pytest.mark.usefixtures("in_fp16")
@pytest.mark.parametrize("name", METHODS.names())
def test_a_method_trains_in_fp16(name: str, make_model: Any, train: Any) -> None:
    method = METHODS.get(name)()
    model, reference = make_model(method), make_model(method)
    for each in (model, reference):
        each.head.dropout.p = 0.0
    fitted = train(model, method)

    assert fitted.steps == 6
    for key, value in model.named_parameters():
        if value.requires_grad:
            assert value.dtype == torch.float32
            assert value.isfinite().all()
            assert not torch.equal(value, reference.get_parameter(key)), key


@pytest.mark.usefixtures("in_fp16")
def test_in_fp16_the_loss_falls_as_it_does_in_fp32(
    make_model: Any, train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: dict[str, list[float]] = {"fp16": [], "fp32": []}
    for number, noted in losses.items():
        monkeypatch.setattr(engine, "choose_precision", lambda asked, device, number=number: number)
        model = make_model(Lora())
        model.head.dropout.p = 0.0
        meter = Meter(CPU, lambda step, num_steps, loss, tokens, noted=noted: noted.append(loss))
        train(model, Lora(), epochs=10, meter=meter)

    np.testing.assert_allclose(losses["fp16"], losses["fp32"], atol=0.02)
    assert losses["fp32"][-1] < losses["fp32"][0] - 0.1


def overflowing(model: Any, times: int) -> list[int]:
    """Make the head's gradient overflow in the first backward passes; a list that grows with every pass."""
    passes: list[int] = []

    def overflow(gradient: torch.Tensor) -> torch.Tensor:
        passes.append(1)
        return gradient * torch.inf if len(passes) <= times else gradient

    model.head.out.weight.register_hook(overflow)
    return passes


@pytest.mark.usefixtures("in_fp16")
def test_a_step_that_overflows_is_left_out_and_does_not_count(make_model: Any, train: Any) -> None:
    model = make_model(Lora())
    overflowing(model, times=2)
    told: list[int] = []
    meter = Meter(CPU, lambda step, num_steps, loss, tokens: told.append(step))
    fitted = train(model, Lora(), meter=meter)

    # Six batches, of which the first two taught nothing; the schedule waited for them.
    assert (fitted.steps, fitted.examples) == (4, 24)
    assert told == [1, 2, 3, 4]
    assert all(value.isfinite().all() for value in model.parameters())


@pytest.mark.usefixtures("in_fp16")
def test_a_left_out_step_leaves_the_weights_alone(make_model: Any, train: Any) -> None:
    model, untouched = make_model(Lora()), make_model(Lora())
    overflowing(model, times=1)
    train(model, Lora(), epochs=1, batch_size=8, weight_decay=0.5)

    for (name, value), before in zip(model.named_parameters(), untouched.parameters(), strict=True):
        if value.requires_grad:
            assert torch.equal(value, before), name


@pytest.mark.usefixtures("in_fp16")
def test_too_many_overflows_in_a_row_are_a_divergence(make_model: Any, train: Any) -> None:
    model = make_model(HeadOnly())
    passes = overflowing(model, times=10**6)

    with pytest.raises(Diverged, match="the gradient at step 1 is not finite"):
        train(model, HeadOnly(), epochs=50)
    assert len(passes) == precision.MAX_SKIPPED + 1


def test_after_an_overflow_the_scale_is_halved() -> None:
    scaling, weight = LossScaling("fp16", CPU), torch.ones(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for gradient, scale, taken in ((torch.inf, 2048, False), (1.0, 2048, True)):
        scaling.scaled(torch.tensor(0.0))
        weight.grad = torch.full((1,), gradient)
        scaling.unscale(optimizer)
        assert scaling.step(optimizer, float(weight.grad)) == taken
        assert float(scaling.scaled(torch.tensor(1.0))) == scale
    # The gradient of 1 at a scale of 2,048.
    assert weight.item() == 1 - 1 / 2048
    assert (scaling.num_skipped, scaling.skipped_in_a_row) == (1, 0)


def test_other_formats_are_not_scaled() -> None:
    for number in ("fp32", "bf16"):
        scaling = LossScaling(number, CPU)  # type: ignore[arg-type]
        assert float(scaling.scaled(torch.tensor(3.0))) == 3
        assert not scaling.may_skip()
    assert float(LossScaling("fp16", CPU).scaled(torch.tensor(3.0))) == 3 * 4096
