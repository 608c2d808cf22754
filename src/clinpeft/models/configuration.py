"""A model's configuration for transformers, from its row of the catalogue or its folder: sizes without weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput
from clinpeft.models.catalogue import ModelCard, card_from_config, model_card, read_config
from clinpeft.models.weights import holds, weight_files


def named(name: str) -> tuple[ModelCard, Any]:
    """Card and configuration of a row of the catalogue, or of a folder with a config.json (named by a path).

    Raises UnknownName, or BadInput where the folder holds no configuration of a known family.
    """
    path = Path(name).expanduser()
    if path.name == name and not path.is_dir():
        card = model_card(name)
        return card, configuration(card)
    raw = read_config(path)
    card = card_from_config(path.resolve().name, raw, str(path), path)
    pooler = card.architecture().pooler
    if pooler is not None and weight_files(path):
        card = card.model_copy(update={"has_pooler": holds(path, f"{pooler}.weight")})
    return card, _known(card, raw, str(path))


def configuration(card: ModelCard) -> Any:
    """transformers' configuration of a row of the catalogue: its sizes, and what its family's checkpoints share."""
    family = card.architecture()
    sizes = {
        family.hidden_size: card.hidden_size,
        family.embedding_size: card.embedding_size or card.hidden_size,
        family.num_layers: card.num_layers,
        family.num_heads: card.num_heads,
        family.num_positions: card.max_positions + family.reserved_positions,
    }
    return _known(card, {**family.usual_config, **sizes, **card.config}, f"model '{card.name}'")


def _known(card: ModelCard, raw: dict[str, Any], where: str) -> Any:
    from transformers import CONFIG_MAPPING

    try:
        return CONFIG_MAPPING[card.architecture().model_type or card.family].from_dict(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(where, f"is no configuration of a {card.family} ({type(error).__name__})") from None
