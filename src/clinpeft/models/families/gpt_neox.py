"""GPT-NeoX (Black et al., 2022; Pythia): one matrix for query, key and value."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.base import Family


class GptNeoX(Family):
    """GPT-NeoX (Black et al., 2022; Pythia): one matrix for query, key and value."""

    model_type: ClassVar[str | None] = "gpt_neox"
    layers: ClassVar[str] = "layers"
    query: ClassVar[str] = "attention.query_key_value"
    key: ClassVar[str] = "attention.query_key_value"
    value: ClassVar[str] = "attention.query_key_value"
    attention_output: ClassVar[str] = "attention.dense"
    feed_forward_in: ClassVar[tuple[str, ...]] = ("mlp.dense_h_to_4h",)
    feed_forward_out: ClassVar[str] = "mlp.dense_4h_to_h"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("mlp.dense_4h_to_h",)
    norms: ClassVar[tuple[str, ...]] = ("input_layernorm", "post_attention_layernorm", "final_layer_norm")
    embeddings: ClassVar[str] = "embed_in"
    is_bidirectional: ClassVar[bool] = False
    reads_last: ClassVar[bool] = True
    has_token_types: ClassVar[bool] = False
