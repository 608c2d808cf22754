"""Linear maps whose frozen weights are kept in 4 or 8 bits and computed with in the run's own number format."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

Bits = Literal[4, 8]


class QuantizedLinear(nn.Linear):
    """A frozen linear map in 4 bits (NF4 in blocks of 64, their scales in 8 bits: Dettmers et al., NeurIPS 2023) or in
    8 (rows scaled by their largest entry: Dettmers et al., NeurIPS 2022).

    bitsandbytes packs and unpacks; its own layers are not used, as on a CPU they train and score with different
    weights. Unlike in LLM.int8(), states are not quantised: the error is the weights' alone.
    """

    def __init__(self, linear: nn.Linear, bits: Bits) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features, self.bits = linear.in_features, linear.out_features, bits
        self.num_quantized = linear.weight.numel()
        """Weights that are no parameters any more, for who counts them."""
        packed, self.scales = _pack(linear.weight.detach(), bits)
        self.register_buffer("packed", packed, persistent=False)
        self.bias = linear.bias

    @property
    def weight(self) -> torch.Tensor:  # type: ignore[override]
        """[out, in] in float32, unpacked each time it is asked for."""
        return self.unpacked(torch.float32)

    def unpacked(self, dtype: torch.dtype) -> torch.Tensor:
        """[out, in]."""
        from bitsandbytes.functional import dequantize_4bit, int8_vectorwise_dequant

        if self.bits == 4:
            scales = copy.copy(self.scales)
            scales.dtype = dtype
            result: torch.Tensor = dequantize_4bit(self.packed, scales)
            return result
        result = int8_vectorwise_dequant(self.packed, self.scales)
        return result.to(dtype)

    def plain(self) -> nn.Linear:
        """An ordinary linear map with the same results."""
        linear = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        linear.weight = nn.Parameter(self.weight, requires_grad=False)
        linear.bias = self.bias
        return linear

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        device = states.device.type
        if torch.is_autocast_enabled(device):
            states = states.to(torch.get_autocast_dtype(device))
        result: torch.Tensor = _Linear.apply(states, self)  # type: ignore[no-untyped-call]
        return result

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> QuantizedLinear:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        moved = self.scales.to(self.packed.device)
        # bitsandbytes' own scales move in place.
        self.scales = self.scales if moved is None else moved
        return self


def quantize(backbone: nn.Module, names: list[str], bits: Bits) -> None:
    """Replace the named linear maps, whose float weights are freed one by one."""
    for name in names:
        parent, _, last = name.rpartition(".")
        linear = backbone.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        setattr(backbone.get_submodule(parent), last, QuantizedLinear(linear, bits))


def dequantize(backbone: nn.Module) -> None:
    """Put ordinary linear maps in place of all quantised ones, below peft's layers too."""
    for parent in [*backbone.modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, QuantizedLinear):
                setattr(parent, name, child.plain())


def _pack(weight: torch.Tensor, bits: Bits) -> tuple[torch.Tensor, Any]:
    from bitsandbytes.functional import int8_vectorwise_quant, quantize_4bit

    if bits == 4:
        packed, scales = quantize_4bit(weight.contiguous(), compress_statistics=True, quant_type="nf4")
        return packed, scales
    packed, scales, _ = int8_vectorwise_quant(weight.half())
    return packed, scales


class _Linear(torch.autograd.Function):
    """The weights are unpacked for each product anew and never kept: that is what quantising is for."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, layer: QuantizedLinear) -> torch.Tensor:
        ctx.layer = layer
        bias = None if layer.bias is None else layer.bias.to(states.dtype)
        return functional.linear(states, layer.unpacked(states.dtype), bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, None]:
        if not ctx.needs_input_grad[0]:
            return None, None
        return gradient @ ctx.layer.unpacked(gradient.dtype), None
