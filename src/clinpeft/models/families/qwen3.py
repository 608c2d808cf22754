"""Qwen3 (Yang et al., 2025): Llama's module names, normalised queries and keys."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.llama import Llama


class Qwen3(Llama):
    """Qwen3 (Yang et al., 2025): Llama's module names, normalised queries and keys."""

    norms: ClassVar[tuple[str, ...]] = ("input_layernorm", "post_attention_layernorm", "norm", "q_norm", "k_norm")
