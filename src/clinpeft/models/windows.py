"""From the logits of a text's windows to those of the text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from clinpeft.data.long_text import WINDOW_POOLING, WindowPooling
from clinpeft.spec import Kind


def window_pooling_of(kind: Kind, long_text: str) -> WindowPooling:
    """How a run pools windows; the mean, which has no parameters, where there are none to pool."""
    has_one_answer = kind in {"classification", "multilabel", "pairs"}
    return WINDOW_POOLING.get(long_text, "mean") if has_one_answer else "mean"


class WindowPool(nn.Module):
    """The mean of the windows' logits, the highest of each, or a mean with learned weights.

    The weights are a softmax over the text's windows of a learned vector's product with their features (attention as
    in multiple-instance learning: Ilse et al., ICML 2018). The vector starts at zero, that is with the mean.
    """

    def __init__(self, how: WindowPooling, width: int) -> None:
        super().__init__()
        self.how: WindowPooling = how
        self.attention = nn.Parameter(torch.zeros(width)) if how == "attention" else None

    def forward(self, logits: torch.Tensor, features: torch.Tensor, num_windows: Sequence[int]) -> torch.Tensor:
        """float32 [B, k] from logits [R, k] and features [R, H] of B texts with so many windows each, R in all."""
        sizes = list(num_windows)
        of_texts = torch.split(logits, sizes)
        if self.how == "max":
            return torch.stack([each.amax(0) for each in of_texts])
        if self.attention is None:
            return torch.stack([each.mean(0) for each in of_texts])
        told = torch.split(features.float() @ self.attention / features.shape[-1] ** 0.5, sizes)
        return torch.stack([weights.softmax(0) @ each for weights, each in zip(told, of_texts, strict=True)])
