"""ELECTRA's discriminator (Clark et al., ICLR 2020): BERT's module names, narrower embeddings, no pooler."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.bert import Bert


class Electra(Bert):
    """ELECTRA's discriminator (Clark et al., ICLR 2020): BERT's module names, narrower embeddings, no pooler."""

    pooler: ClassVar[str | None] = None
    embedding_size: ClassVar[str] = "embedding_size"
