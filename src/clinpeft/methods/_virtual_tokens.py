"""The forward pass with virtual tokens before the text, for prompt tuning and P-tuning.

peft holds and saves the parameters; the forward pass is ours because peft drops token types, and because with padding
decoders then answer from a padded place (both measured with peft 0.21). The virtual positions are cut off the output
again, so that heads and labels see the text's own positions only.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class VirtualTokens(nn.Module):
    """A peft prompt-learning model whose output stands for the text alone; padding is on the right."""

    def __init__(self, wrapped: Any, num_tokens: int) -> None:
        super().__init__()
        self.wrapped, self.num_tokens = wrapped, num_tokens

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **inputs: torch.Tensor) -> Any:
        base = self.wrapped.get_base_model()
        embedded = base.get_input_embeddings()(input_ids)
        virtual = self.wrapped.get_prompt(len(input_ids)).to(embedded.dtype)
        # Where only neighbours attend to each other (Longformer), every word piece attends to the virtual tokens.
        fillers = {"token_type_ids": 0, "global_attention_mask": 1}
        output = base(
            inputs_embeds=torch.cat([virtual, embedded], dim=1),
            attention_mask=self._longer(attention_mask, 1),
            **{name: self._longer(value, fillers[name]) for name, value in inputs.items()},
        )
        return SimpleNamespace(last_hidden_state=output.last_hidden_state[:, self.num_tokens :])

    def _longer(self, values: torch.Tensor, filler: int) -> torch.Tensor:
        """[B, L] with `filler` for the virtual tokens before it."""
        return functional.pad(values, (self.num_tokens, 0), value=filler)
