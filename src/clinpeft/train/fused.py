"""Low-rank adapters with their backward written out: fewer passes over the states than as separate modules."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn


def fuse_low_rank(model: nn.Module) -> int:
    """Give every plain LoRA layer of `model` (peft's, one adapter, frozen base, no dropout) the fused forward pass.

    Returns how many there were; other layers stay as they are.
    """
    if not any(hasattr(module, "lora_A") for module in model.modules()):
        return 0  # Other methods need not wait for peft.

    from peft.tuners.lora.layer import Linear

    layers = [module for module in model.modules() if type(module) is Linear and _is_plain(module)]
    for layer in layers:
        layer.forward = partial(_forward, layer, layer.forward)
    return len(layers)


def _is_plain(layer: Any) -> bool:
    base, adapters = layer.base_layer, layer.active_adapters
    if type(base) is not nn.Linear or len(adapters) != 1 or layer.lora_variant or layer.fan_in_fan_out:
        return False
    trains_base = any(parameter.requires_grad for parameter in base.parameters())
    name = adapters[0]
    has_bias = layer.lora_A[name].bias is not None or layer.lora_B[name].bias is not None
    return isinstance(layer.lora_dropout[name], nn.Identity) and not trains_base and not has_bias


def _forward(layer: Any, plain: Any, states: torch.Tensor, *inputs: Any, **others: Any) -> torch.Tensor:
    """The layer's result; peft's own way where the adapter is merged, switched off, or called otherwise."""
    name, base = layer.active_adapters[0], layer.base_layer
    if layer.merged or layer.disable_adapters or inputs or others or states.dtype != base.weight.dtype:
        result: torch.Tensor = plain(states, *inputs, **others)
        return result
    pair = layer.lora_A[name].weight, layer.lora_B[name].weight
    rows = states.reshape(-1, states.shape[-1])
    result = _LowRank.apply(rows, base.weight, base.bias, *pair, layer.scaling[name])  # type: ignore[no-untyped-call]
    # Outside, as what a custom function returns must be no view for who changes it in place (Longformer).
    return result.view(*states.shape[:-1], -1)


class _LowRank(torch.autograd.Function):
    """x Wᵀ + b + s (x Aᵀ) Bᵀ for frozen W and b (Hu et al., ICLR 2022); A [r, in] (may be frozen) and B [out, r] keep
    their fp32."""

    @staticmethod
    def forward(ctx: Any, rows: Any, weight: Any, bias: Any, down: Any, up: Any, scaling: float) -> torch.Tensor:
        down, up = down.to(rows.dtype), (up * scaling).to(rows.dtype)
        inner = rows @ down.t()
        result = rows @ weight.t() if bias is None else torch.addmm(bias, rows, weight.t())
        result.addmm_(inner, up.t())
        trains_down = ctx.needs_input_grad[3]
        ctx.save_for_backward(rows if trains_down else None, weight, down, up, inner)
        ctx.scaling = scaling
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        rows, weight, down, up, inner = ctx.saved_tensors
        of_inner = gradient @ up
        of_up = (gradient.t() @ inner).float().mul_(ctx.scaling)
        of_down = None if rows is None else (of_inner.t() @ rows).float()
        of_rows = (gradient @ weight).addmm_(of_inner, down) if ctx.needs_input_grad[0] else None
        return of_rows, None, None, of_down, of_up, None
