"""Bottleneck adapters: a small network behind a linear map of the backbone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

INITIAL_STD = 0.02
"""Of the weights on the way down, as in BERT; those on the way up start at 0, and so the adapter as the identity."""

LEAST_WIDTH = 8
"""Of a bottleneck: of fewer ReLUs all may be off from the start."""


class Bottleneck(nn.Module):
    """states + up(activation(down(states))) for states [..., width], through `inner` dimensions."""

    def __init__(self, width: int, inner: int, activation: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)
        self.activation = activation
        nn.init.normal_(self.down.weight, std=INITIAL_STD)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        change: torch.Tensor = self.up(self.activation(self.down(states.to(self.down.weight.dtype))))
        return states + change.to(states.dtype)


def insert(
    backbone: nn.Module, maps: list[str] | str, reduction: int, activation: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Put a trainable adapter behind every linear map that `maps` (of `_targets.targets`) means, in float32 and
    `reduction` times narrower, though no narrower than 8.

    The map keeps its name and its weights; the adapter is its child, called after it.
    """
    pattern = maps if isinstance(maps, str) else rf"(?:.*\.)?(?:{'|'.join(map(re.escape, maps))})"
    for linear in [module for name, module in backbone.named_modules() if re.fullmatch(pattern, name)]:
        _adapt(linear, reduction, activation)


def _adapt(linear: Any, reduction: int, activation: Callable[[torch.Tensor], torch.Tensor]) -> None:
    width = linear.out_features
    linear.add_module(
        "adapter", Bottleneck(width, max(LEAST_WIDTH, width // reduction), activation).to(linear.weight.device)
    )
    linear.register_forward_hook(_adapted)


def _adapted(linear: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = linear.adapter(output)
    return result
