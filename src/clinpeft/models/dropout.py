"""Dropout of the backbone (Srivastava et al., JMLR 2014): which of it is on, and its masks on a CPU.

Drawing a random number for every hidden state costs a CPU more than the layer around it. Here one long mask is drawn
once, and every use takes a piece of it from a random place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from clinpeft.spec import Dropout

OF_ATTENTION = ("attention_probs_dropout_prob", "attention_dropout")
OF_STATES = (
    *("hidden_dropout_prob", "dropout", "hidden_dropout", "embedding_dropout", "mlp_dropout"),
    "dropout_rate",  # T5's, of both.
)
"""What the families' configurations call it."""
SMALLEST_MASK, LARGEST_MASK = 1 << 22, 1 << 25
"""Numbers in a mask: so many that a layer seldom meets its last piece again, and no more than 64 MB in bf16."""
ALIGNED_TO = 64
"""Pieces start at multiples of it, as vector instructions like them to."""


def configure_dropout(config: Any, dropout: Dropout) -> bool:
    """Turn off in a transformers configuration what is not asked for; whether dropout of the attention's weights, which
    only transformers' own attention knows, is left on."""
    off = {"none": (*OF_ATTENTION, *OF_STATES), "hidden": OF_ATTENTION, "model": ()}[dropout]
    for name in off:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    of_attention = (*OF_ATTENTION, "dropout_rate") if dropout == "model" else ()
    return any(getattr(config, name, 0.0) for name in of_attention)


def suit_dropout(backbone: nn.Module, dropout: Dropout, device: torch.device | None) -> None:
    """Finish what a configuration cannot say, in a network that was built from it."""
    for module in list(backbone.modules()):
        # T5 has one number for states and attention.
        if dropout == "hidden" and isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0  # type: ignore[assignment]
        if device is None or device.type == "cpu":
            for name, child in module.named_children():
                if isinstance(child, nn.Dropout) and child.p:
                    setattr(module, name, MaskedDropout(child.p))


def drop_nothing(backbone: nn.Module) -> None:
    """Turn all dropout of a network off for good, that of its attention too."""
    for module in backbone.modules():
        if isinstance(module, nn.Dropout | MaskedDropout):
            module.p = 0.0
        for name in ("dropout", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


class MaskedDropout(nn.Module):
    """As nn.Dropout, for CPUs."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """The states, of which a share p is 0 and the rest larger by 1 / (1 - p), in training; as they are, else."""
        if not self.training or not self.p:
            return states
        number = states.numel()
        size = max(SMALLEST_MASK, 1 << (2 * number - 1).bit_length())
        if size > LARGEST_MASK:
            return functional.dropout(states, self.p)
        mask = _mask(self.p, states.dtype, size)
        place = int(torch.randint(0, (len(mask) - number) // ALIGNED_TO + 1, ())) * ALIGNED_TO
        return states * mask[place : place + number].view(states.shape)

    def extra_repr(self) -> str:
        return f"p={self.p}"


@lru_cache(maxsize=8)
def _mask(p: float, dtype: torch.dtype, size: int) -> torch.Tensor:
    """The same in every process: what a run draws is where its pieces lie. Made in parts, so that it takes no room."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.empty(size, dtype=dtype)
    for piece in torch.split(mask, SMALLEST_MASK >> 4):
        piece.copy_((torch.rand(len(piece), generator=generator) >= p) / (1 - p))
    return mask
