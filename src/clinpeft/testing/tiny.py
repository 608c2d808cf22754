"""Models so small that a check takes seconds: random weights from a configuration, no files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clinpeft.models.catalogue import ModelCard, card_from_config
from clinpeft.models.families.base import FAMILIES
from clinpeft.spec import Kind

if TYPE_CHECKING:
    from clinpeft.models.load import ClinicalModel


def tiny_config(family: str, **changes: Any) -> Any:
    """transformers' configuration of a family with 2 layers of width 32.

    The weights are drawn wide (0.15), so that what a layer does can be seen in the logits.
    """
    from transformers import AutoConfig

    names = FAMILIES.get(family)
    sizes = {names.hidden_size: 32, names.num_layers: 2, names.num_heads: 2, "intermediate_size": 64, "hidden_dim": 64}
    return AutoConfig.for_model(family, **{**sizes, "vocab_size": 120, "initializer_range": 0.15, **changes})


def tiny_model(family: str, kind: Kind, num_outputs: int, *, head_seed: int) -> ClinicalModel:
    """A network as `models.load` makes one, always with the same backbone; `head_seed` fixes the head."""
    import torch
    from transformers import AutoModel

    from clinpeft.models.load import ClinicalModel, Head, pooling_of

    config = tiny_config(family)
    card = tiny_card(config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config._attn_implementation = "eager"
        pooling = pooling_of(kind, card)
        has_pooler = pooling == "first" and card.architecture().pooler is not None
        options = {"add_pooling_layer": has_pooler} if card.architecture().pooler else {}
        backbone = AutoModel.from_config(config, **options)
        torch.manual_seed(head_seed)
        head = Head(pooling, card.hidden_size, num_outputs, has_pooler=pooling == "first" and not has_pooler)
    return ClinicalModel(backbone, head, card)


def tiny_card(config: Any) -> ModelCard:
    """The card of a configuration."""
    return card_from_config("tiny", config.to_dict(), "tiny")
