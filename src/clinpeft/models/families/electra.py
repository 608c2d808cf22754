"""ELECTRA's discriminator (Clark et al., ICLR 2020): BERT's names, narrower embeddings, no pooler."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.base import Family


class Electra(Family):
    """ELECTRA's discriminator (Clark et al., ICLR 2020): BERT's names, narrower embeddings, no pooler."""

    layers: ClassVar[str] = "encoder.layer"
    query: ClassVar[str] = "attention.self.query"
    key: ClassVar[str] = "attention.self.key"
    value: ClassVar[str] = "attention.self.value"
    attention_output: ClassVar[str] = "attention.output.dense"
    feed_forward_in: ClassVar[str] = "intermediate.dense"
    feed_forward_out: ClassVar[str] = "output.dense"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("output.dense",)
    embeddings: ClassVar[str] = "embeddings.word_embeddings"
    embedding_size: ClassVar[str] = "embedding_size"
