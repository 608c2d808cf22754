"""Parameters of a model with a method as clinpeft trains them, from the configuration: no weights are read or made."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from clinpeft.errors import BadInput
from clinpeft.spec import MethodChoice

if TYPE_CHECKING:
    from clinpeft.data.batch import Batch
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel

NUM_STEPS = 100
"""Of a run, for methods with a schedule: parameters do not depend on it."""


@dataclass(frozen=True)
class Counts:
    """What a method trains on a model with a head for classification."""

    adapter: int
    """Trained in the backbone, or added to it."""
    head: int
    trainable: int
    total: int
    macs_8_tokens: int | None
    """Multiply-accumulates of linear maps and layer normalisations for a text of 8 word pieces (clinpeft.params.macs);
    None for adapters in the study's counting, whose tool failed on them."""

    def facts(self) -> dict[str, int | None]:
        """As plain data."""
        return asdict(self)


def counts_of(model: str, method: str, options: dict[str, str], num_labels: int, compat: str | None) -> Counts:
    """The counts from words of a command line; `compat` may be `paper`, for the 2024 study's."""
    if compat not in {None, "paper"}:
        raise BadInput(f"--compat {compat}", "is not known", "the only mode is `paper`")
    if compat == "paper":
        from clinpeft.params.published import count_as_published

        return count_as_published(model, method, options, num_labels)
    return count(model, _choice(method, options), num_labels)


def _choice(method: str, options: dict[str, str]) -> MethodChoice:
    """`8` is read as a number where the method wants one."""
    from clinpeft.frozen import parse_words
    from clinpeft.methods.base import METHODS

    chosen = parse_words(METHODS.get(method), options, f"method '{method}'").model_dump(mode="json")
    return MethodChoice(name=method, options={key: chosen[key] for key in options})


def count(model: str, choice: MethodChoice, num_labels: int = 2) -> Counts:
    """The counts of a row of the catalogue, or of a folder with a config.json (named by a path), with a method.

    Raises BadInput where the method refuses the model.
    """
    from clinpeft.methods.base import Context, resolve_method
    from clinpeft.models.configuration import named
    from clinpeft.models.load import count_parameters, from_config

    card, config = named(model)
    method, _ = resolve_method(choice)
    if reason := method.refuses(card, "classification"):
        raise BadInput(f"method '{choice.name}' on model '{card.name}'", reason)

    def adapted(card: ModelCard) -> ClinicalModel:
        network = from_config(copy.deepcopy(config), card, "classification", num_labels, 0)
        return method.apply(network, card, Context(0, "classification", NUM_STEPS, lambda: iter([one_batch()])))

    def sizes(card: ModelCard) -> tuple[int, ...]:
        found = count_parameters(adapted(card))
        return found.adapter, found.head, found.trainable, found.total

    return Counts(*by_layer(sizes, card), *by_layer(lambda card: _macs(adapted(card)), card))


def by_layer(measure: Callable[[ModelCard], tuple[int, ...]], card: ModelCard) -> tuple[int, ...]:
    """The measures of a model on the meta device; where that does not do, because a method or a forward pass looks at
    numbers, from networks of one and two layers with numbers: every further layer adds the same."""
    import torch

    try:
        with torch.device("meta"):
            return measure(card)
    except (NotImplementedError, RuntimeError):
        one, two = (measure(card.model_copy(update={"num_layers": depth})) for depth in (1, 2))
        return tuple(first + (card.num_layers - 1) * (second - first) for first, second in zip(one, two, strict=True))


def _macs(network: ClinicalModel) -> tuple[int]:
    from clinpeft.params.macs import leave_out_attention, macs

    batch = one_batch()
    if batch.input_ids.device.type == "meta" and not network.card.architecture().has_global_attention:
        leave_out_attention(network)
    return (macs(lambda: network(batch)),)


def one_batch() -> Batch:
    """One short text, for methods and forward passes that want to see one."""
    import torch

    from clinpeft.data.batch import Batch
    from clinpeft.params.macs import NUM_TOKENS

    pieces = torch.ones(1, NUM_TOKENS, dtype=torch.int64)
    label = torch.zeros(1, dtype=torch.int64)
    return Batch(input_ids=pieces, attention_mask=pieces, token_type_ids=None, labels=label, markers=None, indices=(0,))
