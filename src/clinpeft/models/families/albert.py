"""ALBERT (Lan et al., ICLR 2020): one layer's parameters for all layers, narrower embeddings."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.base import Family


class Albert(Family):
    """ALBERT (Lan et al., ICLR 2020): one layer's parameters for all layers, narrower embeddings."""

    layers: ClassVar[str] = "encoder.albert_layer_groups"
    query: ClassVar[str] = "attention.query"
    key: ClassVar[str] = "attention.key"
    value: ClassVar[str] = "attention.value"
    attention_output: ClassVar[str] = "attention.dense"
    feed_forward_in: ClassVar[tuple[str, ...]] = ("ffn",)
    feed_forward_out: ClassVar[str] = "ffn_output"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("ffn_output",)
    norms: ClassVar[tuple[str, ...]] = ("LayerNorm", "full_layer_layer_norm")
    embeddings: ClassVar[str] = "embeddings.word_embeddings"
    pooler: ClassVar[str | None] = "pooler"
    has_absolute_positions: ClassVar[bool] = True
    embedding_size: ClassVar[str] = "embedding_size"
