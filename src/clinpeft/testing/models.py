"""What every row of the model catalogue and every family promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from clinpeft.models.catalogue import ModelCard, find_weights, model_card, resolve
from clinpeft.models.families.base import FAMILIES, Family
from clinpeft.spec import ModelChoice
from clinpeft.testing._rules import CheckResult, empty_attributes, results
from clinpeft.testing.tiny import tiny_card, tiny_config

NUM_POSITIONS = 32
"""Length of the position table of a check."""


def check_model(name: str) -> list[CheckResult]:
    """The promises of the catalogue's row `name`; what needs its weights passes when they are not on this machine.

    Raises UnknownName.
    """
    return results(model_card(name), MODEL_RULES)


def check_family(name: str) -> list[CheckResult]:
    """The promises of the family `name`, on a tiny model with random weights. Raises UnknownName."""
    FAMILIES.get(name)
    return results(name, FAMILY_RULES)


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
    if card.hidden_size % card.num_heads:
        return "its hidden size is no multiple of its heads"
    # Four matrices of attention in every layer are less than the whole.
    least = 4 * card.num_layers * card.hidden_size**2
    return None if sizes[-1] > least else "fewer parameters than its layers must have"


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
    """Embeddings, the layers kept, and the pooler where the checkpoint has one, whether our heads use it or not."""
    if find_weights(card) is None:
        return None
    found = sum(parameter.numel() for parameter in _backbone(card).parameters())
    return None if found == card.backbone_parameters else f"{card.backbone_parameters}, and its backbone has {found}"


def _has_the_modules_its_family_names(card: ModelCard) -> str | None:
    if find_weights(card) is None:
        return None
    backbone = _backbone(card)
    has_pooler = getattr(backbone, "pooler", None) is not None
    return _missing_modules(card.architecture(), backbone, card.num_layers, has_pooler=has_pooler)


MODEL_RULES = (
    _fills_its_row,
    _is_of_a_known_family,
    _says_where_its_weights_are,
    _has_sizes_that_fit_each_other,
    _has_the_weights_it_names,
    _has_the_sizes_of_its_checkpoint,
    _counts_its_parameters,
    _has_the_modules_its_family_names,
)


def _backbone(card: ModelCard) -> Any:
    """The network with the checkpoint's pooler, which the loader keeps for models that read the first piece."""
    from clinpeft.models.load import load

    resolved = resolve(ModelChoice(name=card.name), Path())
    first = replace(resolved, card=card.model_copy(update={"pooling": "first"}))
    return load(first, "classification", 2, seed=0).backbone


def _names_modules_that_exist(name: str) -> str | None:
    from transformers import AutoModel

    family = FAMILIES.get(name)
    return _missing_modules(family, AutoModel.from_config(tiny_config(name)), 2, has_pooler=family.pooler is not None)


def _finds_its_sizes_in_the_configuration(name: str) -> str | None:
    from transformers import AutoModel

    config, family = tiny_config(name), FAMILIES.get(name)
    card, backbone = tiny_card(config), AutoModel.from_config(config)
    layers = dict(backbone.named_modules())[family.layers]
    width = backbone.get_input_embeddings().embedding_dim
    query = next(module for path, module in layers[0].named_modules() if path.endswith(family.query))
    found = (query.in_features, width, len(layers))
    told = (card.hidden_size, card.embedding_size, card.num_layers)
    return None if found == told else f"hidden size, embedding size, layers: {told}, and the model has {found}"


def _reads_as_many_positions_as_it_says(name: str) -> str | None:
    import torch
    from transformers import AutoModel

    config = tiny_config(name, max_position_embeddings=NUM_POSITIONS)
    backbone, length = AutoModel.from_config(config).eval(), tiny_card(config).max_positions
    with torch.inference_mode():
        backbone(input_ids=torch.full((1, length), 7))
        try:
            backbone(input_ids=torch.full((1, length + 1), 7))
        except (IndexError, RuntimeError):
            return None
    return f"takes more than {length} word pieces of {NUM_POSITIONS} positions"


def _tells_two_texts_apart_if_it_says_so(name: str) -> str | None:
    import torch
    from transformers import AutoModel

    if not FAMILIES.get(name).has_token_types:
        return None
    backbone, ids = AutoModel.from_config(tiny_config(name)).eval(), torch.full((1, 6), 7)
    with torch.inference_mode():
        one, two = (backbone(input_ids=ids, token_type_ids=types).last_hidden_state for types in (ids * 0, ids // 7))
    return "token types change nothing" if torch.equal(one, two) else None


FAMILY_RULES = (
    _names_modules_that_exist,
    _finds_its_sizes_in_the_configuration,
    _reads_as_many_positions_as_it_says,
    _tells_two_texts_apart_if_it_says_so,
)


def _missing_modules(family: Family | type[Family], backbone: Any, num_layers: int, *, has_pooler: bool) -> str | None:
    """Names that no module ends in; what stands in a layer must be found in each."""
    modules = [f".{name}" for name, _ in backbone.named_modules()]
    once = [family.layers, family.embeddings, *([family.pooler] if has_pooler and family.pooler else [])]
    each = [
        *(family.query, family.key, family.value, family.attention_output),
        *(family.feed_forward_in, family.feed_forward_out, *family.ia3_feed_forward),
    ]
    wanted = {**dict.fromkeys(once, 1), **dict.fromkeys(each, num_layers)}
    missing = [name for name, times in wanted.items() if sum(m.endswith(f".{name}") for m in modules) < times]
    return f"no module is named {', '.join(missing)}" if missing else None
