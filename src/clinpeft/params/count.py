"""Parameters of a model with a method as clinpeft trains them, from the configuration: no weights are read or made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

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
    """Multiply-accumulates of linear maps and layer normalisations for one text of 8 word pieces (clinpeft.params.macs);
    None where they were not counted."""

    def facts(self) -> dict[str, int | None]:
        """As plain data."""
        return asdict(self)


def count(model: str, choice: MethodChoice, num_labels: int = 2) -> Counts:
    """The counts of a row of the catalogue, or of a folder with a config.json (named by a path), with a method.

    Raises BadInput where the method refuses the model.
    """
    import torch

    from clinpeft.methods.base import Context, resolve_method
    from clinpeft.models.configuration import named
    from clinpeft.models.load import count_parameters, from_config
    from clinpeft.params.macs import compute_on_meta, macs

    card, config = named(model)
    method, _ = resolve_method(choice)
    if reason := method.refuses(card, "classification"):
        raise BadInput(f"method '{choice.name}' on model '{card.name}'", reason)
    with torch.device("meta"):
        network = from_config(config, card, "classification", num_labels, 0)
        context = Context(0, "classification", NUM_STEPS, _batches)
        network = method.apply(network, card, context)
        sizes = count_parameters(network)
        compute_on_meta(network)
        batch = _batch()
        taken = macs(network, lambda: network(batch))
    return Counts(sizes.adapter, sizes.head, sizes.trainable, sizes.total, taken)
