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


def tiny_config(family: str, **changes: Any) -> Any:
    """transformers' configuration of a family with 2 layers of width 32.

    The weights are drawn wide (0.15), so that what a layer does can be seen in the logits.
    """
    from transformers import AutoConfig

    names = FAMILIES.get(family)
    sizes = {names.hidden_size: 32, names.num_layers: 2, names.num_heads: 2, "intermediate_size": 64, "hidden_dim": 64}
    return AutoConfig.for_model(family, **{**sizes, "vocab_size": 120, "initializer_range": 0.15, **changes})


def tiny_card(config: Any) -> ModelCard:
    """The card of a configuration."""
    return card_from_config("tiny", config.to_dict(), "tiny")


def tiny_model(family: str, kind: Kind, num_outputs: int, *, head_seed: int = 1, **changes: Any) -> ClinicalModel:
    """A network as `models.load` makes one, always with the same backbone; `head_seed` fixes the head.

    Texts are read off the first piece, through the backbone's pooler where the family has one.
    """
    import torch
    from transformers import AutoModel

    from clinpeft.models.attention import register
    from clinpeft.models.load import DROPOUTS, ClinicalModel, Head, pooling_of

    config = tiny_config(family, attn_implementation=register(), **dict.fromkeys(DROPOUTS, 0.0), **changes)
    card = tiny_card(config)
    pooling = pooling_of(kind, card)
    has_pooler = pooling == "first" and card.architecture().pooler is not None
    options = {"add_pooling_layer": has_pooler} if card.architecture().pooler else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = AutoModel.from_config(config, **options)
        torch.manual_seed(head_seed)
        head = Head(pooling, card.hidden_size, num_outputs, has_pooler=pooling == "first" and not has_pooler)
    return ClinicalModel(backbone, head, card)


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
