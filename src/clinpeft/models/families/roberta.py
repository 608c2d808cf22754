"""RoBERTa (Liu et al., 2019): BERT's module names, positions that start at 2, one token type."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.base import Family


class Roberta(Family):
    """RoBERTa (Liu et al., 2019): BERT's module names, positions that start at 2, one token type."""

    layers: ClassVar[str] = "encoder.layer"
    query: ClassVar[str] = "attention.self.query"
    key: ClassVar[str] = "attention.self.key"
    value: ClassVar[str] = "attention.self.value"
    attention_output: ClassVar[str] = "attention.output.dense"
    feed_forward_in: ClassVar[str] = "intermediate.dense"
    feed_forward_out: ClassVar[str] = "output.dense"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("output.dense",)
    embeddings: ClassVar[str] = "embeddings.word_embeddings"
    pooler: ClassVar[str | None] = "pooler.dense"
    has_token_types: ClassVar[bool] = False
    reserved_positions: ClassVar[int] = 2
