"""The Family interface: where an architecture keeps what methods touch."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.frozen import Frozen
from clinpeft.registry import Registry


class Family(Frozen):
    """An architecture, named as in a checkpoint's `model_type`: one file in `clinpeft/models/families/`.

    All module names are suffixes below the backbone (transformers' AutoModel).
    """

    layers: ClassVar[str]
    """The list of transformer layers."""
    query: ClassVar[str]
    key: ClassVar[str]
    value: ClassVar[str]
    attention_output: ClassVar[str]
    feed_forward_in: ClassVar[str]
    feed_forward_out: ClassVar[str]
    ia3_feed_forward: ClassVar[tuple[str, ...]]
    """Modules whose input IA3 rescales; the attention's own output is among them where names coincide."""
    embeddings: ClassVar[str]
    """The word embeddings."""
    pooler: ClassVar[str | None] = None
    """The pooler's linear map, where the architecture has one."""
    takes_prefix: ClassVar[bool] = True
    """Whether the backbone accepts past keys and values (prefix tuning by peft)."""
    is_bidirectional: ClassVar[bool] = True
    """Whether every word piece attends to every other in every layer, as models.attention computes it."""
    has_token_types: ClassVar[bool] = True
    reserved_positions: ClassVar[int] = 0
    """Entries of the position table that no token takes (RoBERTa starts at 2)."""
    hidden_size: ClassVar[str] = "hidden_size"
    num_layers: ClassVar[str] = "num_hidden_layers"
    num_heads: ClassVar[str] = "num_attention_heads"
    """The configuration's names for its sizes."""
    embedding_size: ClassVar[str] = "hidden_size"


FAMILIES: Registry[Family] = Registry("family", "clinpeft.models.families", Family)
