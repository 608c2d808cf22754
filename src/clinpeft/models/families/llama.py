"""Llama (Touvron et al., 2023), and decoders built like it, such as SmolLM2."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.base import Family


class Llama(Family):
    """Llama (Touvron et al., 2023), and decoders built like it, such as SmolLM2."""

    layers: ClassVar[str] = "layers"
    query: ClassVar[str] = "self_attn.q_proj"
    key: ClassVar[str] = "self_attn.k_proj"
    value: ClassVar[str] = "self_attn.v_proj"
    attention_output: ClassVar[str] = "self_attn.o_proj"
    feed_forward_in: ClassVar[tuple[str, ...]] = ("mlp.gate_proj", "mlp.up_proj")
    feed_forward_out: ClassVar[str] = "mlp.down_proj"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("mlp.down_proj",)
    norms: ClassVar[tuple[str, ...]] = ("input_layernorm", "post_attention_layernorm", "norm")
    embeddings: ClassVar[str] = "embed_tokens"
    is_bidirectional: ClassVar[bool] = False
    reads_last: ClassVar[bool] = True
    has_biases: ClassVar[bool] = False
    has_token_types: ClassVar[bool] = False
