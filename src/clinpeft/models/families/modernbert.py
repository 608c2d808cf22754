"""ModernBERT (Warner et al., 2024): rotary positions, one matrix for query, key and value, windows."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.base import Family


class ModernBert(Family):
    """ModernBERT (Warner et al., 2024): rotary positions, one matrix for query, key and value, windows."""

    layers: ClassVar[str] = "layers"
    query: ClassVar[str] = "attn.Wqkv"
    key: ClassVar[str] = "attn.Wqkv"
    value: ClassVar[str] = "attn.Wqkv"
    attention_output: ClassVar[str] = "attn.Wo"
    feed_forward_in: ClassVar[tuple[str, ...]] = ("mlp.Wi",)
    feed_forward_out: ClassVar[str] = "mlp.Wo"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("mlp.Wo",)
    norms: ClassVar[tuple[str, ...]] = ("embeddings.norm", "attn_norm", "mlp_norm", "final_norm")
    embeddings: ClassVar[str] = "embeddings.tok_embeddings"
    has_biases: ClassVar[bool] = False
    has_token_types: ClassVar[bool] = False
