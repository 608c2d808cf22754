"""Multiply-accumulates of one short text, counted as the 2024 study's tool did.

thop counts what linear maps and layer normalisations give out; products inside the attention, embeddings and other
normalisations (MobileBERT's, Llama's) are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

NAME = "clinpeft_counted"
"""How a configuration asks for an attention that computes nothing."""
NUM_TOKENS = 8
PER_NORMALISED = 4
"""Operations that thop counts for each number that a layer normalisation gives out."""


def macs(forward: Callable[[], Any]) -> int:
    """What `forward` takes, on whatever device: nothing is computed on the meta device.

    A method that computes with a linear map's weights itself is counted as if it had called the map.
    """
    found: list[int] = []
    called: set[nn.Module] = set()

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        inner = getattr(module, "base_layer", None)
        linear = module if isinstance(module, nn.Linear) else inner
        if isinstance(linear, nn.Linear) and linear not in called:
            found.append(output.numel() * linear.in_features)
            called.add(linear)
        elif isinstance(module, nn.LayerNorm):
            found.append(output.numel() * PER_NORMALISED)

    hook = register_module_forward_hook(count)
    try:
        with torch.no_grad():
            forward()
    finally:
        hook.remove()
    return sum(found)


def leave_out_attention(model: nn.Module) -> None:
    """Let the attention be a tensor of the right shape: its own products are not counted, and what computes it looks at
    numbers, which the meta device has none of."""
    from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

    AttentionInterface.register(NAME, _empty)
    AttentionMaskInterface.register(NAME, _no_mask)
    backbone = next(module for module in model.modules() if isinstance(module, PreTrainedModel))
    config: Any = backbone.config
    config._attn_implementation = NAME


def _empty(module: Any, query: torch.Tensor, key: Any, value: torch.Tensor, mask: Any, **options: Any) -> Any:
    rows, heads, length, _ = query.shape
    return query.new_empty(rows, length, heads, value.shape[-1]), None


def _no_mask(**options: Any) -> None:
    return None
