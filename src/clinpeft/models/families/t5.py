"""The encoder of T5 (Raffel et al., JMLR 2020): relative positions, no piece that stands for the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from clinpeft.models.families.base import Family


class T5(Family):
    """The encoder of T5 (Raffel et al., JMLR 2020): relative positions, no piece that stands for the text."""

    layers: ClassVar[str] = "encoder.block"
    query: ClassVar[str] = "SelfAttention.q"
    key: ClassVar[str] = "SelfAttention.k"
    value: ClassVar[str] = "SelfAttention.v"
    attention_output: ClassVar[str] = "SelfAttention.o"
    feed_forward_in: ClassVar[tuple[str, ...]] = ("DenseReluDense.wi",)
    feed_forward_out: ClassVar[str] = "DenseReluDense.wo"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("DenseReluDense.wo",)
    norms: ClassVar[tuple[str, ...]] = ("layer_norm", "final_layer_norm")
    embeddings: ClassVar[str] = "shared"
    reads_mean: ClassVar[bool] = True
    has_biases: ClassVar[bool] = False
    has_token_types: ClassVar[bool] = False
    model_class: ClassVar[str | None] = "T5EncoderModel"
    hidden_size: ClassVar[str] = "d_model"
    num_layers: ClassVar[str] = "num_layers"
    num_heads: ClassVar[str] = "num_heads"
    num_positions: ClassVar[str] = "n_positions"
    usual_positions: ClassVar[int | None] = 512
    embedding_size: ClassVar[str] = "d_model"

    @classmethod
    def variant(cls, config: Mapping[str, Any]) -> str | None:
        return "t5-gated" if str(config.get("feed_forward_proj", "relu")).startswith("gated") else None
