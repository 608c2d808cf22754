"""One method on one family for one kind of task: applied to a tiny network with random weights, and trained."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import repeat
from typing import TYPE_CHECKING

from clinpeft.methods.base import Context, Method
from clinpeft.models.families.base import FAMILIES
from clinpeft.spec import Kind, TrainOptions
from clinpeft.testing.tiny import tiny_batch, tiny_model

if TYPE_CHECKING:
    import torch

    from clinpeft.data.batch import Batch
    from clinpeft.models.load import ClinicalModel

MAIN_FAMILY = "bert"
"""The one on which every kind of task is tried."""
MAIN_KINDS: tuple[Kind, ...] = ("classification", "multilabel", "entities")
"""Those that are tried on every family."""
NUM_OUTPUTS = 3
NUM_POSITIONS = 42
"""No multiple of the step to which batches are padded; RoBERTa has no use for two, and Longformer pads to 40."""
NUM_STEPS = 8
"""Optimiser steps of a training."""


def all_cells() -> list[tuple[str, Kind]]:
    """Every family with the main kinds of task, and pairs and relations on BERT."""
    cells = [(family, kind) for family in FAMILIES.names() for kind in MAIN_KINDS]
    return [*cells, (MAIN_FAMILY, "pairs"), (MAIN_FAMILY, "relations")]


@dataclass(frozen=True)
class Trained:
    """A tiny network after training, and what was seen on the way."""

    model: ClinicalModel
    wanted: frozenset[str]
    """Names of the parameters that are to train."""
    gradients: dict[str, torch.Tensor | None]
    """Of every parameter, before the first step."""
    before: dict[str, torch.Tensor]
    """The whole state before it."""
    loss_before: float
    loss_after: float
    logits: torch.Tensor
    """Of the tiny batch after training."""


class Cell:
    """A method, a family and a kind of task."""

    def __init__(self, entry: type[Method], family: str, kind: Kind, num_steps: int = NUM_STEPS) -> None:
        self.entry, self.family, self.kind, self.num_steps = entry, family, kind, num_steps
        self.batch = tiny_batch(kind)

    @cached_property
    def method(self) -> Method:
        """With its default options."""
        return self.entry()

    @property
    def reason(self) -> str | None:
        """Why the method refuses it."""
        return self.method.refuses(base(self.family, self.kind).card, self.kind)

    def fresh(self, *, head_seed: int = 1, seed: int = 0) -> ClinicalModel:
        """The adapted network before training: always the same backbone; the seeds fix head and adapter."""
        return self.applied(copy.deepcopy(base(self.family, self.kind, head_seed)), seed)

    def applied(self, model: ClinicalModel, seed: int = 0) -> ClinicalModel:
        """The method applied as a run does it."""
        import torch

        torch.manual_seed(seed)
        context = Context(seed, self.kind, self.num_steps, lambda: iter([self.batch]))
        return self.method.apply(model, model.card, context)

    @cached_property
    def trained(self) -> Trained:
        """The network after a few steps in which the head all but stands still, so that it is the adapter that learns;
        without one it is the head."""
        model = self.fresh()
        # A parameter that several layers share has as many names.
        parameters = model.named_parameters(remove_duplicate=False)
        wanted = frozenset(name for name, value in parameters if value.requires_grad)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        gradients, loss = self.backward(model), self.loss(logits_of(model, self.batch))
        model.zero_grad(set_to_none=True)
        _fit(self.method, model, self.kind, self.batch, self.num_steps)
        logits = logits_of(model, self.batch)
        return Trained(model, wanted, gradients, before, loss, self.loss(logits), logits)

    def loss(self, logits: torch.Tensor) -> float:
        """Of the tiny batch."""
        from clinpeft.train.loss import loss_of

        return float(loss_of(logits, self.batch, self.kind, None))

    def backward(self, model: ClinicalModel) -> dict[str, torch.Tensor | None]:
        """The gradient of the tiny batch's loss, by parameter; the head's dropout is off."""
        from clinpeft.train.loss import loss_of

        model.train()
        model.head.eval()
        model.zero_grad(set_to_none=True)
        loss_of(model(self.batch), self.batch, self.kind, None).backward()  # type: ignore[no-untyped-call]
        return {name: value.grad for name, value in model.named_parameters()}


def logits_of(model: ClinicalModel, batch: Batch) -> torch.Tensor:
    """A model's answers, without dropout."""
    import torch

    with torch.inference_mode():
        logits: torch.Tensor = model.eval()(batch)
    return logits


@cache
def base(family: str, kind: Kind, head_seed: int = 1) -> ClinicalModel:
    """The network before any method; made once, to be copied."""
    import torch

    model = tiny_model(
        family, kind, NUM_OUTPUTS, head_seed=head_seed, **{FAMILIES.get(family).num_positions: NUM_POSITIONS}
    )
    chance = torch.Generator().manual_seed(head_seed)
    for parameter in model.head.parameters():
        if parameter.ndim == 1:
            # A new head's biases are zero: one that is lost when it is saved would not be missed.
            torch.nn.init.normal_(parameter, std=0.02, generator=chance)
    return model


def _fit(method: Method, model: ClinicalModel, kind: Kind, batch: Batch, num_steps: int) -> None:
    """Steps on one and the same batch, by the product's own loop."""
    import torch

    from clinpeft.train.engine import set_up
    from clinpeft.train.loop import Training, fit
    from clinpeft.train.meter import Meter

    has_adapter = any(value.requires_grad for value in model.backbone.parameters())
    options = TrainOptions(
        epochs=1,
        learning_rate=method.learning_rate,
        head_learning_rate=1e-8 if has_adapter else 1e-2,
        early_stopping_patience=None,
        precision="fp32",
    )
    device = torch.device("cpu")
    training = Training(
        model=model,
        method=method,
        stream=lambda epoch: repeat(batch, num_steps),
        num_steps=num_steps,
        kind=kind,
        options=options,
        seed=0,
        engine=set_up(model, options, device),
    )
    fit(training, lambda: None, Meter(device))
