"""What every row of the model catalogue promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from clinpeft.models.catalogue import ModelCard, find_weights, model_card, resolve
from clinpeft.models.families.base import FAMILIES
from clinpeft.spec import ModelChoice
from clinpeft.testing._rules import CheckResult, empty_attributes, results
from clinpeft.testing.families import missing_modules


def check_model(name: str) -> list[CheckResult]:
    """The promises of the catalogue's row `name`; what needs its weights passes when they are not on this machine.

    Raises UnknownName.
    """
    return results(model_card(name), MODEL_RULES)


def _fills_its_row(card: ModelCard) -> str | None:
    return empty_attributes(card, ("title", "licence", "citation", "note", "backbone_parameters"))


def _is_of_a_known_family(card: ModelCard) -> str | None:
    return None if card.family in FAMILIES else f"no family is named '{card.family}'"


def _says_where_its_weights_are(card: ModelCard) -> str | None:
    return None if card.package or card.folder else "names neither a package nor a folder"


def _has_sizes_that_fit_each_other(card: ModelCard) -> str | None:
    sizes = (card.hidden_size, card.num_layers, card.num_heads, card.max_positions, card.backbone_parameters or 0)
    if min(sizes) < 1:
        return "a size is below 1"
    return "its hidden size is no multiple of its heads" if card.hidden_size % card.num_heads else None


def _has_the_weights_it_names(card: ModelCard) -> str | None:
    """`resolve` compares the file's SHA-256 with the row's and raises when they differ."""
    if find_weights(card) is not None:
        resolve(ModelChoice(name=card.name), Path())
    return None


def _has_the_sizes_of_its_checkpoint(card: ModelCard) -> str | None:
    folder = find_weights(card)
    if folder is None:
        return None
    own = resolve(ModelChoice(name=card.name, path=str(folder)), Path()).card
    if card.num_layers > own.num_layers:
        return f"num_layers: {card.num_layers}, and the checkpoint has {own.num_layers}"
    names = ("family", "hidden_size", "num_heads", "max_positions")
    wrong = [name for name in names if getattr(card, name) != getattr(own, name)]
    return f"{', '.join(wrong)}: not as in its config.json" if wrong else None


def _counts_its_parameters(card: ModelCard) -> str | None:
    """Embeddings, the layers kept, and the pooler where the checkpoint has one, whether our heads use it or not: from
    the configuration alone, and in the checkpoint where that is here."""
    import torch

    from clinpeft.models.configuration import configuration
    from clinpeft.models.load import from_config

    with torch.device("meta"):
        first = card.model_copy(update={"pooling": "first"})
        counted = _num_parameters(from_config(configuration(card), first, "classification", 2, 0).backbone)
    if counted != card.backbone_parameters:
        return f"{card.backbone_parameters}, and its configuration comes to {counted}"
    if find_weights(card) is None:
        return None
    found = _num_parameters(_backbone(card))
    return None if found == card.backbone_parameters else f"{card.backbone_parameters}, and its backbone has {found}"


def _num_parameters(backbone: Any) -> int:
    return sum(parameter.numel() for parameter in backbone.parameters())


def _is_read_where_its_family_is(card: ModelCard) -> str | None:
    is_right = (card.pooling == "last") == card.architecture().reads_last
    return None if is_right else "decoders are read off their last word piece, and only they"


def _has_the_modules_its_family_names(card: ModelCard) -> str | None:
    if find_weights(card) is None:
        return None
    return missing_modules(card.architecture(), _backbone(card))


MODEL_RULES = (
    _fills_its_row,
    _is_of_a_known_family,
    _says_where_its_weights_are,
    _has_sizes_that_fit_each_other,
    _has_the_weights_it_names,
    _has_the_sizes_of_its_checkpoint,
    _counts_its_parameters,
    _is_read_where_its_family_is,
    _has_the_modules_its_family_names,
)


def _backbone(card: ModelCard) -> Any:
    """The network with the checkpoint's pooler, which the loader keeps for models that read the first piece."""
    from clinpeft.models.load import load

    resolved = resolve(ModelChoice(name=card.name), Path())
    first = replace(resolved, card=card.model_copy(update={"pooling": "first"}))
    return load(first, "classification", 2, seed=0).backbone
