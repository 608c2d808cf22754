"""Which modules of a backbone a method adapts, from the names that its family gives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from clinpeft.methods._widths import largest_divisor

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard


def query_and_value(card: ModelCard) -> list[str] | str:
    """The projections that LoRA's paper adapts; all of a fused one."""
    family = card.architecture()
    return targets(card, family.with_twins((family.query, family.value)))


def as_published(card: ModelCard) -> list[str] | str:
    """What Taylor et al. (2024) adapted with LoRA: by words in the path of a model, the key beside query and value.

    So nlpie/distil-biobert has two, and nlpie/bio-distilbert-uncased three, though both have six layers of BERT's.
    """
    path, family = (card.hub or card.name).lower(), card.architecture()
    if not any(word in path for word in ("mobile", "tiny", "distilbert")):
        return query_and_value(card)
    return targets(card, family.with_twins((family.query, family.key, family.value)))


def attention(card: ModelCard) -> list[str] | str:
    """Query, key, value and output projection."""
    return targets(card, card.architecture().attention_projections())


def every_linear_map(card: ModelCard) -> list[str] | str:
    """Attention and feed-forward block."""
    return targets(card, card.architecture().linear_maps())


def targets(card: ModelCard, names: Iterable[str]) -> list[str] | str:
    """For peft: the wanted names, each once; a pattern where one of them also ends the name of another map.

    BERT's feed-forward `output.dense` ends `attention.output.dense` too, which peft would adapt with it.
    """
    wanted = list(dict.fromkeys(names))
    others = [name for name in card.architecture().linear_maps() if name not in wanted]
    if not any(other.endswith(f".{name}") for other in others for name in wanted):
        return wanted
    return rf"(?:.*\.)?(?:{'|'.join(_pattern(name, others) for name in wanted)})"


def linear_maps(backbone: nn.Module, config: Any) -> list[tuple[str, nn.Linear]]:
    """The maps that peft's `config` names in a backbone without adapter, with their names."""
    from peft.tuners.tuners_utils import check_target_module_exists
    from torch import nn

    return [
        (name, module)
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear) and check_target_module_exists(config, name)
    ]


def common_divisor(maps: list[nn.Linear], most: int) -> int:
    """The largest number up to `most` that divides every width, in and out."""
    return largest_divisor((width for linear in maps for width in (linear.in_features, linear.out_features)), most)


def _pattern(name: str, others: list[str]) -> str:
    before = [other.removesuffix(name) for other in others if other.endswith(f".{name}")]
    return "".join(f"(?<!{re.escape(each)})" for each in before) + re.escape(name)
