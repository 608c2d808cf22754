"""Gemma 3's text model (Gemma team, 2025): Llama's module names, four normalisations a layer, windows."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.llama import Llama


class Gemma3Text(Llama):
    """Gemma 3's text model (Gemma team, 2025): Llama's module names, four normalisations a layer, windows."""

    model_type: ClassVar[str | None] = "gemma3_text"
    norms: ClassVar[tuple[str, ...]] = (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
        "norm",
        "q_norm",
        "k_norm",
    )
