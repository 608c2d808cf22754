"""The forward pass with virtual tokens before the text, for prompt, prefix and P-tuning.

peft holds and saves the parameters; the forward pass is ours because peft drops token types and lets a prefix shift
every position (both measured with peft 0.21). The virtual positions are cut off the output again, so that heads and
labels see the text's own positions only.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn


class VirtualTokens(nn.Module):
    """A peft prompt-learning model whose output stands for the text alone."""

    def __init__(self, wrapped: Any, num_tokens: int, *, is_prefix: bool, first_position: int) -> None:
        super().__init__()
        self.wrapped = wrapped
        self.num_tokens, self.is_prefix, self.first_position = num_tokens, is_prefix, first_position

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **inputs: torch.Tensor) -> Any:
        rows = len(input_ids)
        seen = torch.cat([attention_mask.new_ones(rows, self.num_tokens), attention_mask], dim=1)
        base = self.wrapped.get_base_model()
        virtual = self.wrapped.get_prompt(rows)
        if self.is_prefix:
            positions = torch.arange(input_ids.shape[1], device=input_ids.device).unsqueeze(0)
            inputs["position_ids"] = positions + self.first_position
            return base(input_ids=input_ids, attention_mask=seen, past_key_values=virtual, **inputs)
        if "token_type_ids" in inputs:
            types = inputs["token_type_ids"]
            inputs["token_type_ids"] = torch.cat([types.new_zeros(rows, self.num_tokens), types], dim=1)
        embedded = base.get_input_embeddings()(input_ids)
        text = torch.cat([virtual.to(embedded.dtype), embedded], dim=1)
        output = base(inputs_embeds=text, attention_mask=seen, **inputs)
        return SimpleNamespace(last_hidden_state=output.last_hidden_state[:, self.num_tokens :])
