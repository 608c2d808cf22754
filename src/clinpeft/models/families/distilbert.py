"""DistilBERT (Sanh et al., 2019): other module names, no token types, no pooler."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.base import Family


class DistilBert(Family):
    """DistilBERT (Sanh et al., 2019)."""

    layers: ClassVar[str] = "transformer.layer"
    query: ClassVar[str] = "attention.q_lin"
    key: ClassVar[str] = "attention.k_lin"
    value: ClassVar[str] = "attention.v_lin"
    attention_output: ClassVar[str] = "attention.out_lin"
    feed_forward_in: ClassVar[tuple[str, ...]] = ("ffn.lin1",)
    feed_forward_out: ClassVar[str] = "ffn.lin2"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("ffn.lin1", "ffn.lin2")
    norms: ClassVar[tuple[str, ...]] = ("embeddings.LayerNorm", "sa_layer_norm", "output_layer_norm")
    embeddings: ClassVar[str] = "embeddings.word_embeddings"
    has_token_types: ClassVar[bool] = False
    has_absolute_positions: ClassVar[bool] = True
    hidden_size: ClassVar[str] = "dim"
    num_layers: ClassVar[str] = "n_layers"
    num_heads: ClassVar[str] = "n_heads"
    embedding_size: ClassVar[str] = "dim"
