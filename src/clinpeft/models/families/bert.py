"""BERT (Devlin et al., NAACL 2019)."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.base import Family


class Bert(Family):
    """BERT (Devlin et al., NAACL 2019)."""

    layers: ClassVar[str] = "encoder.layer"
    query: ClassVar[str] = "attention.self.query"
    key: ClassVar[str] = "attention.self.key"
    value: ClassVar[str] = "attention.self.value"
    attention_output: ClassVar[str] = "attention.output.dense"
    feed_forward_in: ClassVar[tuple[str, ...]] = ("intermediate.dense",)
    feed_forward_out: ClassVar[str] = "output.dense"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("output.dense",)
    norms: ClassVar[tuple[str, ...]] = ("LayerNorm",)
    embeddings: ClassVar[str] = "embeddings.word_embeddings"
    pooler: ClassVar[str | None] = "pooler.dense"
    has_absolute_positions: ClassVar[bool] = True
