"""Which number format a run computes in, and how a model is put into it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from clinpeft.errors import BadInput
from clinpeft.models.load import ClinicalModel

Precision = Literal["fp32", "bf16", "fp16"]

FP16_PAYS = 0.9
"""Share of fp32's time that fp16 must stay below, as it also costs a scaled loss and a few steps."""
MAX_SKIPPED = 20
"""Steps in a row that may overflow: from its first value the scale has then fallen far below 1."""


def choose_precision(asked: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    """`auto`: bf16 where the processor multiplies it natively, fp16 on an older GPU where a timed probe favours it,
    else fp32. Raises BadInput for fp16 on a CPU.

    On GPUs compute capability 8.0 decides, not what torch claims: `is_bf16_supported` counts emulation.
    """
    if asked == "fp16" and device.type == "cpu":
        raise BadInput("train.precision", "fp16 does not train on a CPU", "use auto, bf16 or fp32")
    if asked != "auto":
        return asked
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return "bf16"
        return "fp16" if _fp16_pays(device) else "fp32"
    return "bf16" if _cpu_has_bf16() else "fp32"


def prepare(model: ClinicalModel, precision: Precision) -> None:
    """Frozen matrices and the hidden states go to the reduced format; what trains, norms and embeddings stay in fp32.

    Half the memory for the frozen part, and no cast of it at every step; gradients and updates keep full precision.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear) and precision != "fp32":
            for parameter in module.parameters(recurse=False):
                if not parameter.requires_grad and parameter.is_floating_point():
                    parameter.data = parameter.data.to(_DTYPES[precision])
        if hasattr(module, "cast_input_dtype_enabled"):
            # peft would cast activations up to the adapter's fp32 at every layer; autocast does what is needed.
            setattr(module, "cast_input_dtype_enabled", False)  # noqa: B010 (typed as a module or tensor)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if precision != "fp32":
        _let_states_flow_in(model, _DTYPES[precision])


def computing(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """The context in which forward passes run."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=_DTYPES[precision])


class LossScaling:
    """Keeps the gradients of fp16 in range (Micikevicius et al., ICLR 2018): the loss is multiplied before the backward
    pass, the gradients are divided after it, and a step in which they overflowed is left out. Other formats pass
    through unchanged."""

    def __init__(self, precision: Precision, device: torch.device) -> None:
        self.is_on = precision == "fp16"
        # torch's own start, 2¹⁶, overflows in the first steps of most runs, and a fine-tuning run has few.
        self.scaler = torch.amp.GradScaler(device.type, init_scale=2.0**12, growth_interval=500, enabled=self.is_on)
        self.num_skipped = self.skipped_in_a_row = 0

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "scaler": self.scaler.state_dict(),
            "num_skipped": self.num_skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.num_skipped, self.skipped_in_a_row = state["num_skipped"], state["skipped_in_a_row"]
        if self.is_on:
            self.scaler.load_state_dict(dict(state["scaler"]))

    def factor(self) -> float:
        """What the next loss is multiplied by; 1 where nothing is scaled."""
        return float(self.scaler.get_scale())

    def scaled(self, loss: torch.Tensor) -> torch.Tensor:
        """The loss to go backward from."""
        return self.scaler.scale(loss)

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients again, before they are clipped."""
        self.scaler.unscale_(optimizer)

    def may_skip(self) -> bool:
        """Whether a gradient that is not finite may be an overflow of the scale, not of the training."""
        return self.is_on and self.skipped_in_a_row < MAX_SKIPPED

    def step(self, optimizer: torch.optim.Optimizer, norm: float) -> bool:
        """Let the optimiser take its step unless the gradient's norm is not finite, and adapt the scale; whether it was
        taken."""
        is_taken = math.isfinite(norm)
        if is_taken:
            self.scaler.step(optimizer)
            self.skipped_in_a_row = 0
        else:
            self.num_skipped += 1
            self.skipped_in_a_row += 1
        self.scaler.update()
        return is_taken


_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def _let_states_flow_in(model: ClinicalModel, dtype: torch.dtype) -> None:
    """From the embeddings on, or every layer's residual sum would stay in fp32 and be cast anew before each matrix
    (measured: a quarter of the time)."""
    embeddings = model.card.architecture().embeddings
    block = embeddings.rpartition(".")[0] or embeddings
    for name, module in model.backbone.named_modules():
        if f".{name}".endswith(f".{block}"):
            module.register_forward_hook(lambda module, inputs, output: output.to(dtype))


@cache
def _cpu_has_bf16() -> bool:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags


@cache
def _fp16_pays(device: torch.device) -> bool:
    """GPUs of one generation differ: some multiply fp16 eight times as fast as fp32, others 64 times as slowly."""
    return _probe_seconds(torch.float16, device) < FP16_PAYS * _probe_seconds(torch.float32, device)


def _probe_seconds(dtype: torch.dtype, device: torch.device) -> float:
    """What a layer's matrix product and attention take together, the best of a few times."""
    states = torch.randn(2048, 768, device=device).to(dtype)
    weight = torch.randn(768, 3072, device=device).to(dtype)
    heads = torch.randn(8, 12, 256, 64, device=device).to(dtype)
    seconds = []
    for _ in range(8):
        _wait_for(device)
        start = time.perf_counter()
        states @ weight
        functional.scaled_dot_product_attention(heads, heads, heads)
        _wait_for(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
