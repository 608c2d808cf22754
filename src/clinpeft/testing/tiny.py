"""Models and texts so small that a check takes seconds: random weights from a configuration, no files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clinpeft.data.tokenize import Encoded
from clinpeft.models.catalogue import ModelCard, card_from_config
from clinpeft.models.families.base import FAMILIES
from clinpeft.spec import Kind

if TYPE_CHECKING:
    from clinpeft.data.batch import Batch
    from clinpeft.models.load import ClinicalModel


NUM_PIECES = 120
NARROW = {
    "vocab_size": NUM_PIECES,
    "intermediate_size": 64,
    "hidden_dim": 64,
    "d_ff": 64,
    "d_kv": 16,
    "head_dim": 16,
    "num_key_value_heads": 1,
    "embedding_size": 16,
    "true_hidden_size": 16,
    "intra_bottleneck_size": 16,
    "attention_window": 8,
    "local_attention": 8,
    "sliding_window": 8,
}
"""What else makes a configuration small, where its class knows it; windows are shorter than the texts of a check."""


def tiny_config(family: str, **changes: Any) -> Any:
    """transformers' configuration of a family with 2 layers of width 32.

    The weights are drawn wide (0.15), so that what a layer does can be seen in the logits.
    """
    from transformers import CONFIG_MAPPING

    entry = FAMILIES.get(family)
    known = CONFIG_MAPPING[entry.model_type or family]
    usual = known().to_dict()
    sizes = {entry.hidden_size: 32, entry.num_layers: 2, entry.num_heads: 2}
    narrow = {name: value for name, value in {**NARROW, **sizes}.items() if name in usual}
    pieces = {name: 0 for name, value in usual.items() if name.endswith("_token_id") and (value or 0) >= NUM_PIECES}
    return known(**{**narrow, **pieces, **entry.usual_config, "initializer_range": 0.15, **changes})


def tiny_card(config: Any) -> ModelCard:
    """The card of a configuration."""
    return card_from_config("tiny", config.to_dict(), "tiny")


def tiny_model(family: str, kind: Kind, num_outputs: int, *, head_seed: int = 1, **changes: Any) -> ClinicalModel:
    """A network as `models.load` makes one, always with the same backbone; `head_seed` fixes the head.

    Texts are read off the first piece, through the backbone's pooler where the family has one; off a decoder's last.
    """
    import torch

    from clinpeft.models.load import from_config

    config = tiny_config(family, **changes)
    with torch.random.fork_rng():
        return from_config(config, tiny_card(config), kind, num_outputs, head_seed)


def tiny_batch(kind: Kind) -> Batch:
    """The eight examples of `tiny_texts` as one batch; their padding piece is 0."""
    from clinpeft.data.batch import collate

    texts = tiny_texts(kind)
    return collate(texts, range(len(texts)), 0)


def tiny_texts(kind: Kind) -> list[Encoded]:
    """Eight invented examples of 5 to 16 word pieces with three classes, labels or tags, ready for a batch."""
    return [tiny_text(kind, number, length) for number, length in enumerate((5, 8, 16, 9, 12, 7, 14, 6))]


def tiny_text(kind: Kind, number: int, length: int) -> Encoded:
    """One of them; `number` fixes pieces and labels."""
    tags = [-100, *((number + place) % 3 for place in range(length - 2)), -100]
    is_known = [float((number + label) % 2) for label in range(3)]
    return Encoded(
        input_ids=[5 + (7 * number + 3 * place * place) % 110 for place in range(length)],
        token_type_ids=[int(place >= length // 2) for place in range(length)] if kind == "pairs" else None,
        is_truncated=False,
        labels_lost=0,
        label=number % 3,
        label_vector=[*is_known[:2], float("nan") if number == 3 else is_known[2]] if kind == "multilabel" else None,
        piece_tags=tags if kind == "entities" else None,
        word_starts=list(range(1, length - 1)) if kind == "entities" else None,
        markers=(1, length // 2) if kind == "relations" else None,
    )
