"""Which number format a run computes in, and how a model is put into it."""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from clinpeft.errors import BadInput
from clinpeft.models.load import ClinicalModel

Precision = Literal["fp32", "bf16", "fp16"]


def choose_precision(asked: Literal["auto", "fp32", "bf16", "fp16"], device: torch.device) -> Precision:
    """`auto`: bf16 where the processor multiplies it natively, else fp32. Raises BadInput for fp16 on a CPU."""
    if asked == "fp16" and device.type == "cpu":
        raise BadInput("train.precision", "fp16 does not train on a CPU", "use auto, bf16 or fp32")
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    return "bf16" if _cpu_has_bf16() else "fp32"


def prepare(model: ClinicalModel, precision: Precision) -> None:
    """Frozen matrices and the hidden states go to the reduced format; what trains, norms and embeddings stay in fp32.

    Half the memory for the frozen part, and no cast of it at every step; gradients and updates keep full precision.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear) and precision != "fp32":
            for parameter in module.parameters(recurse=False):
                if not parameter.requires_grad:
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


_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def _let_states_flow_in(model: ClinicalModel, dtype: torch.dtype) -> None:
    """From the embeddings on, or every layer's residual sum would stay in fp32 and be cast anew before each matrix
    (measured: a quarter of the time)."""
    block = model.card.architecture().embeddings.rpartition(".")[0]
    for name, module in model.backbone.named_modules():
        if f".{name}".endswith(f".{block}"):
            module.register_forward_hook(lambda module, inputs, output: output.to(dtype))


@cache
def _cpu_has_bf16() -> bool:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags
