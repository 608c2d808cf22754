"""The Family interface: where an architecture keeps what methods touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from clinpeft.frozen import Frozen
from clinpeft.registry import Registry


class Family(Frozen):
    """An architecture, named as in a checkpoint's `model_type`: one file in `clinpeft/models/families/`.

    All module names are suffixes below the backbone (transformers' AutoModel, or `model_class`).
    """

    layers: ClassVar[str]
    """The list of transformer layers."""
    query: ClassVar[str]
    key: ClassVar[str]
    value: ClassVar[str]
    """Three times the same name where one matrix makes all three."""
    attention_output: ClassVar[str]
    feed_forward_in: ClassVar[tuple[str, ...]]
    """Two where the feed-forward part is gated by a second matrix."""
    feed_forward_out: ClassVar[str]
    ia3_feed_forward: ClassVar[tuple[str, ...]]
    """Modules whose input IA3 rescales; the attention's own output is among them where names coincide."""
    norms: ClassVar[tuple[str, ...]]
    """Normalisations; a layer may lack one."""
    embeddings: ClassVar[str]
    """The word embeddings."""
    pooler: ClassVar[str | None] = None
    """The pooler's linear map, where the architecture has one."""
    twins: ClassVar[Mapping[str, str]] = {}
    """Projections with a second one that does their work for some word pieces: a method adapts both."""
    is_bidirectional: ClassVar[bool] = True
    """Whether a word piece attends to those after it."""
    reads_last: ClassVar[bool] = False
    """Whether a text is read off its last word piece, the only one that has seen all others (decoders)."""
    reads_mean: ClassVar[bool] = False
    """Whether a text is the mean of its word pieces: the architecture puts no piece first that stands for the text."""
    calls_attention_interface: ClassVar[bool] = True
    """Whether transformers' AttentionInterface computes the attention, so that models.attention can enter."""
    has_global_attention: ClassVar[bool] = False
    """Whether it must be told which word pieces all others attend to (Longformer)."""
    has_biases: ClassVar[bool] = True
    """Whether its linear maps or normalisations have one."""
    has_token_types: ClassVar[bool] = True
    has_absolute_positions: ClassVar[bool] = False
    """Whether positions are a learned table, which virtual tokens take room of."""
    reserved_positions: ClassVar[int] = 0
    """Entries of the position table that no token takes (RoBERTa starts at 2)."""
    model_type: ClassVar[str | None] = None
    """transformers' name, where it is not the family's with `_` for `-`."""
    model_class: ClassVar[str | None] = None
    """transformers' class, where AutoModel's is not the backbone."""
    hidden_size: ClassVar[str] = "hidden_size"
    num_layers: ClassVar[str] = "num_hidden_layers"
    num_heads: ClassVar[str] = "num_attention_heads"
    num_positions: ClassVar[str] = "max_position_embeddings"
    """The configuration's names for its sizes."""
    usual_positions: ClassVar[int | None] = None
    """Longest input where configurations do not say."""
    embedding_size: ClassVar[str] = "hidden_size"
    usual_config: ClassVar[Mapping[str, Any]] = {}
    """What the published checkpoints of the architecture say that transformers does not assume."""

    @classmethod
    def variant(cls, config: Mapping[str, Any]) -> str | None:
        """The family that a configuration of this `model_type` is of, where that is another one."""
        return None

    def attention_projections(self) -> list[str]:
        """Query, key, value and output, each name once, with their twins."""
        return self.with_twins((self.query, self.key, self.value, self.attention_output))

    def linear_maps(self) -> list[str]:
        """All linear maps of a layer: of the attention and the feed-forward part, each name once."""
        return list(dict.fromkeys([*self.attention_projections(), *self.feed_forward_in, self.feed_forward_out]))

    def with_twins(self, names: Iterable[str]) -> list[str]:
        """The names, each once and followed by its twin where it has one."""
        pairs = ((name, self.twins.get(name)) for name in names)
        return list(dict.fromkeys(name for pair in pairs for name in pair if name is not None))


FAMILIES: Registry[Family] = Registry("family", "clinpeft.models.families", Family)
