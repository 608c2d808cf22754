"""Floating-point operations of training, counted from the shapes of what a text passes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from clinpeft.methods._prefix import prefix_length
from clinpeft.methods._virtual_tokens import VirtualTokens
from clinpeft.models.catalogue import ModelCard
from clinpeft.models.load import ClinicalModel
from clinpeft.record import Cost


def training_flops(
    model: ClinicalModel,
    tokens: int,
    mean_length: float,
    card: ModelCard,
    *,
    examples: int | None = None,
    num_distinct: int | None = None,
) -> Cost:
    """Floating-point operations of training at the real lengths, counted from shapes (an estimate).

    tokens, examples: word pieces and texts that training saw; mean_length: of the text a word piece stands in, averaged
    over word pieces (see `length_around`); num_distinct: examples there are, each of which passes a backbone in which
    nothing trains but once. A matrix of n parameters costs 2n a position forward, 2n for the gradient of its input
    where something before it trains, and 2n for its own gradient where it trains; attention's two products cost
    4 · queries · keys · hidden a text and layer, and twice that backward. Virtual tokens are positions of their own, or
    keys (a prefix). Norms, activations, padding and what makes a prefix, once for all texts, do not count.
    """
    examples = max(1, round(tokens / max(1.0, mean_length))) if examples is None else examples
    virtual = model.backbone if isinstance(model.backbone, VirtualTokens) else None
    added = 0 if virtual is None else virtual.num_tokens * examples
    pairs = tokens * mean_length
    if virtual is not None:
        pairs += virtual.num_tokens * (2 * tokens + added)
    pairs += prefix_length(model.backbone) * tokens
    positions = tokens + added
    rows = {
        "layers": positions,
        "before": positions,
        "virtual": added,
        "prefix": 0,
        "pooler": examples,
        "head": tokens if model.head.pooling == "words" else examples,
    }
    first = _first_trained_layer(model)
    once = 1.0 if first is not None or num_distinct is None else min(1.0, num_distinct / max(1, examples))
    attention = sum(3 if _trains(first, layer) else 1 for layer in range(card.num_layers))
    total = 4 * pairs * card.hidden_size * attention * once
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            place = _place(name, card)[0]
            passes = 1 + _passes_gradient(name, module, model, first) + module.weight.requires_grad
            total += 2 * module.weight.numel() * rows[place] * passes * (1.0 if place == "head" else once)
    return Cost(value=float(total), how="estimated")


def length_around(lengths: Sequence[int]) -> float:
    """Length of the text that a word piece stands in, averaged over word pieces: what attention's cost grows with.

    >>> length_around([10, 30])
    25.0
    """
    return sum(length * length for length in lengths) / max(1, sum(lengths))


def _place(name: str, card: ModelCard) -> tuple[str, int]:
    """Where a module of the model computes (`layers`, `before` them, `virtual` tokens, what makes a `prefix`, `pooler`,
    `head`), and in which layer."""
    found = re.search(rf"\.{re.escape(card.architecture().layers)}\.(\d+)\.", name)
    if found:
        return "prefix" if ".prefix." in name else "layers", int(found[1])
    if name.startswith("head."):
        return "head", 0
    if "prompt_encoder" in name:
        return "virtual", 0
    return ("pooler" if "pooler" in name else "before"), 0


def _first_trained_layer(model: ClinicalModel) -> int | None:
    """The lowest layer into or through which a gradient flows: -1 where it flows on to what stands before the layers,
    None where nothing below the pooler trains."""
    lowest = []
    for name, parameter in model.named_parameters():
        place, layer = _place(name, model.card)
        if parameter.requires_grad and place in {"layers", "prefix", "before", "virtual"}:
            lowest.append(layer if place in {"layers", "prefix"} else -1)
    return min(lowest, default=None)


def _trains(first: int | None, layer: int) -> bool:
    return first is not None and layer >= first


def _passes_gradient(name: str, matrix: nn.Linear, model: ClinicalModel, first: int | None) -> bool:
    """Whether the gradient of a matrix's input is computed. In the lowest layer that trains, what reads the layer's
    input needs none."""
    place, layer = _place(name, model.card)
    if place in {"virtual", "prefix"}:
        return True
    if place == "before":
        return first == -1
    if place == "layers":
        family = model.card.architecture()
        projections = (f".{part}" for part in (family.query, family.key, family.value))
        reads_input = matrix.in_features == model.card.hidden_size and any(part in name for part in projections)
        return _trains(first, layer) and (layer != first or not reads_input)
    return first is not None or (name == "head.out" and model.head.pooler is not None)
