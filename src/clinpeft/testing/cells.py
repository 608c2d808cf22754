"""One method on one family for one kind of task: what it promises there, checked on a tiny network with random weights.

A rule is a function of a Cell that returns None when it holds, and else what is wrong. The rules of a cell share its
trained network, in the order of CELL_RULES; the last one takes the adapter out of it.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clinpeft.methods.base import Context, Method
from clinpeft.models.families.base import FAMILIES
from clinpeft.spec import Kind, TrainOptions
from clinpeft.testing._rules import CheckResult, results
from clinpeft.testing.tiny import tiny_batch, tiny_model, tiny_text, tiny_texts

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
"""Optimiser steps in which the loss must fall."""
LEAST_GAIN = 2e-5
"""By how much; the head alone, at the rate it has there, gains less than a tenth of it."""
PADDING_TOLERANCE = 1e-4
RELOAD_TOLERANCE = 1e-6
MERGE_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-5
"""Largest differences, of logits in float32 and of gradients in terms of the largest one."""


def all_cells() -> list[tuple[str, Kind]]:
    """Every family with the main kinds of task, and pairs and relations on BERT."""
    cells = [(family, kind) for family in FAMILIES.names() for kind in MAIN_KINDS]
    return [*cells, (MAIN_FAMILY, "pairs"), (MAIN_FAMILY, "relations")]


def check_cell(entry: type[Method], family: str, kind: Kind) -> list[CheckResult]:
    """What the method promises on a family and a kind of task; of a cell that it refuses, that it says why."""
    cell = Cell(entry, family, kind)
    first = results(cell, (_is_trained_or_refused_in_one_line,))
    if not first[0].passed or cell.reason is not None:
        return first
    is_known = kind == "multilabel" and family != MAIN_FAMILY
    return first + results(cell, LOSS_RULES if is_known else CELL_RULES)


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


class Cell:
    """A method, a family and a kind of task."""

    def __init__(self, entry: type[Method], family: str, kind: Kind) -> None:
        self.entry, self.family, self.kind = entry, family, kind
        self.batch = tiny_batch(kind)

    @cached_property
    def method(self) -> Method:
        """With its default options."""
        return self.entry()

    @property
    def reason(self) -> str | None:
        """Why the method refuses it."""
        return self.method.refuses(_base(self.family, self.kind).card, self.kind)

    def fresh(self, *, head_seed: int = 1, seed: int = 0) -> ClinicalModel:
        """The adapted network before training: always the same backbone; the seeds fix head and adapter."""
        return self.applied(copy.deepcopy(_base(self.family, self.kind, head_seed)), seed)

    def applied(self, model: ClinicalModel, seed: int = 0) -> ClinicalModel:
        """The method applied as a run does it."""
        import torch

        torch.manual_seed(seed)
        context = Context(seed, self.kind, NUM_STEPS, lambda: iter([self.batch]))
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
        gradients, loss = self.backward(model), self.loss(model)
        model.zero_grad(set_to_none=True)
        _fit(self.method, model, self.kind, self.batch)
        return Trained(model, wanted, gradients, before, loss, self.loss(model))

    def loss(self, model: ClinicalModel) -> float:
        """Of the tiny batch, without dropout."""
        from clinpeft.train.loop import loss_of

        return float(loss_of(logits_of(model, self.batch), self.batch, self.kind, None))

    def backward(self, model: ClinicalModel) -> dict[str, torch.Tensor | None]:
        """The gradient of the tiny batch's loss, by parameter; the head's dropout is off."""
        from clinpeft.train.loop import loss_of

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


def _is_trained_or_refused_in_one_line(cell: Cell) -> str | None:
    reason = cell.reason
    if reason is None:
        _ = cell.trained
        return None
    return None if reason and "\n" not in reason else "its reason must be one line"


def _trains_the_whole_head_its_adapter_and_nothing_else(cell: Cell) -> str | None:
    wanted = cell.trained.wanted
    for name, gradient in cell.trained.gradients.items():
        if name.startswith("head.") and (gradient is None or not gradient.any()):
            return f"no gradient on {name}"
        if (name in wanted) != (gradient is not None):
            return f"{'no' if name in wanted else 'a'} gradient on {name}"
    return None


def _changes_in_training_what_it_trains_and_nothing_else(cell: Cell) -> str | None:
    """Parts of an adapter may stand still where the backbone's own weights would: in what the head does not read."""
    state, before, wanted = cell.trained.model.state_dict(), cell.trained.before, cell.trained.wanted
    changed = [name for name, value in state.items() if not value.equal(before[name])]
    if extra := sorted(set(changed) - wanted):
        return f"training changes {extra[0]}"
    still = [name for name in state if name in wanted - set(changed)]
    # By its memory: what several modules share may be read by one of them and have the name of another.
    idle = {state[name].data_ptr() for name in still if _is_idle(cell, name)}
    left = [name for name in still if state[name].data_ptr() not in idle]
    return f"training leaves {left[0]}" if left else None


def _lowers_the_loss_at_its_own_learning_rate(cell: Cell) -> str | None:
    before, after = cell.trained.loss_before, cell.trained.loss_after
    return None if after < before - LEAST_GAIN else f"from {before:.4f} to {after:.4f} in {NUM_STEPS} steps"


def _gives_the_same_logits_whatever_the_padding(cell: Cell) -> str | None:
    """The two shortest texts, alone and beside longer ones."""
    from clinpeft.data.batch import collate

    texts, together = tiny_texts(cell.kind), logits_of(cell.trained.model, cell.batch)
    for row in sorted(range(len(texts)), key=lambda row: len(texts[row].input_ids))[:2]:
        alone, own = logits_of(cell.trained.model, collate([texts[row]], [0], 0))[0], together[row]
        if cell.kind == "entities":
            length = len(texts[row].input_ids)
            alone, own = alone[:length], own[:length]
        if (difference := float((alone - own).abs().max())) > PADDING_TOLERANCE:
            return f"logits alone and in a batch differ by {difference:.2g}"
    return None


def _reads_texts_of_the_full_length(cell: Cell) -> str | None:
    from clinpeft.data.batch import collate

    card = cell.trained.model.card
    length = cell.method.text_length(card.max_positions, card)
    text = tiny_text(cell.kind, 0, length)
    if not card.architecture().has_token_types:
        text = replace(text, token_type_ids=None)
    batch = collate([text], [0], 0)
    shape = tuple(logits_of(cell.trained.model, batch).shape)
    wanted = (1, batch.input_ids.shape[1], NUM_OUTPUTS) if cell.kind == "entities" else (1, NUM_OUTPUTS)
    return None if shape == wanted else f"logits of shape {shape}, not {wanted}"


def _trains_the_same_from_the_same_seed(cell: Cell) -> str | None:
    """On one family: nothing of it depends on the architecture."""
    if cell.family != MAIN_FAMILY:
        return None
    again = Cell(cell.entry, cell.family, cell.kind).trained.model.state_dict()
    changed = [name for name, value in cell.trained.model.state_dict().items() if not value.equal(again[name])]
    return f"{changed[0]} differs" if changed else None


def _gives_the_same_logits_after_a_reload(cell: Cell) -> str | None:
    """Into a fresh backbone with another random head, as when a run is exported."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "adapter"
        cell.method.save(cell.trained.model, folder)
        if strange := [path.name for path in folder.rglob("*") if path.suffix not in {".safetensors", ".json"}]:
            return f"writes {strange[0]}, which is neither safetensors nor JSON"
        again = cell.fresh(head_seed=2, seed=3)
        cell.method.load(again, folder)
    difference = float((logits_of(cell.trained.model, cell.batch) - logits_of(again, cell.batch)).abs().max())
    return None if difference <= RELOAD_TOLERANCE else f"logits before and after differ by {difference:.2g}"


def _trains_in_float32_whatever_the_format_of_the_backbone(cell: Cell) -> str | None:
    """Once a family: the kind of task changes nothing of it."""
    import torch

    from clinpeft.train.loop import loss_of
    from clinpeft.train.precision import computing, prepare

    if cell.kind != MAIN_KINDS[0]:
        return None
    model = copy.deepcopy(_base(cell.family, cell.kind))
    model.backbone.bfloat16()
    cell.applied(model)
    narrow = [name for name, value in model.named_parameters() if value.requires_grad and value.dtype != torch.float32]
    if narrow:
        return f"{narrow[0]} is not in float32"
    model.backbone.float()
    prepare(model, "bf16")
    with computing("bf16", torch.device("cpu")):
        logits = model(cell.batch)
    loss_of(logits, cell.batch, cell.kind, None).backward()  # type: ignore[no-untyped-call]
    trained = {name: value.grad for name, value in model.named_parameters() if value.requires_grad}
    wrong = [name for name, value in trained.items() if value is None or not bool(value.isfinite().all())]
    return f"no finite gradient on {wrong[0]} in bf16" if wrong else None


def _gives_the_same_gradients_when_activations_are_computed_again(cell: Cell) -> str | None:
    from clinpeft.train.memory import recompute_activations

    model = cell.trained.model
    kept = {name: value for name, value in cell.backward(model).items() if value is not None}
    recompute_activations(model)
    again = cell.backward(model)
    largest = max(float(value.abs().max()) for value in kept.values())
    for name, value in kept.items():
        other = again[name]
        if other is None or (difference := float((value - other).abs().max())) > GRADIENT_TOLERANCE * largest:
            return f"the gradient on {name} " + ("is gone" if other is None else f"differs by {difference:.2g}")
    return None


def _gives_the_same_logits_when_merged(cell: Cell) -> str | None:
    before = logits_of(cell.trained.model, cell.batch)
    merged = cell.method.merge(cell.trained.model)
    if merged is None:
        return None
    if (difference := float((before - logits_of(merged, cell.batch)).abs().max())) > MERGE_TOLERANCE:
        return f"logits merged and unmerged differ by {difference:.2g}"
    plain = {name for name, _ in _base(cell.family, cell.kind).named_parameters()}
    return None if {name for name, _ in merged.named_parameters()} == plain else "what is left is not a plain backbone"


LOSS_RULES: tuple[Callable[[Cell], str | None], ...] = (
    _trains_the_whole_head_its_adapter_and_nothing_else,
    _lowers_the_loss_at_its_own_learning_rate,
    _changes_in_training_what_it_trains_and_nothing_else,
)
"""All that can differ between multilabel and classification, whose networks are the same; on BERT the rest is tried
too."""

CELL_RULES: tuple[Callable[[Cell], str | None], ...] = (
    *LOSS_RULES,
    _gives_the_same_logits_whatever_the_padding,
    _reads_texts_of_the_full_length,
    _trains_the_same_from_the_same_seed,
    _gives_the_same_logits_after_a_reload,
    _trains_in_float32_whatever_the_format_of_the_backbone,
    _gives_the_same_gradients_when_activations_are_computed_again,
    _gives_the_same_logits_when_merged,
)


@cache
def _base(family: str, kind: Kind, head_seed: int = 1) -> ClinicalModel:
    """Made once, and copied for every network."""
    return tiny_model(
        family, kind, NUM_OUTPUTS, head_seed=head_seed, **{FAMILIES.get(family).num_positions: NUM_POSITIONS}
    )


def _fit(method: Method, model: ClinicalModel, kind: Kind, batch: Batch) -> None:
    """Steps on one and the same batch, by the product's own loop."""
    import torch

    from clinpeft.train.engine import set_up
    from clinpeft.train.loop import fit
    from clinpeft.train.meter import Meter

    has_adapter = any(value.requires_grad for value in model.backbone.parameters())
    options = TrainOptions(
        epochs=NUM_STEPS,
        learning_rate=method.learning_rate,
        head_learning_rate=1e-8 if has_adapter else 1e-2,
        early_stopping_patience=None,
        precision="fp32",
    )
    device = torch.device("cpu")
    fit(
        model,
        method,
        lambda epoch: iter([batch]),
        NUM_STEPS,
        kind,
        options,
        seed=0,
        engine=set_up(model, options, device),
        class_weights=None,
        judge=lambda: None,
        meter=Meter(device),
    )


@cache
def _idle(family: str, kind: Kind) -> frozenset[str]:
    """The backbone's modules whose weights have no gradient, with which no adapter can have one: a Longformer's last
    local queries, where the head reads the first piece only."""
    from clinpeft.methods.full import Full

    gradients = Cell(Full, family, kind)
    found = gradients.backward(gradients.fresh())
    names = [name for name, value in found.items() if value is None or not value.any()]
    return frozenset(name.removeprefix("backbone.").rpartition(".")[0] for name in names)


def _is_idle(cell: Cell, parameter: str) -> bool:
    return any(f".{module}." in f".{parameter}" for module in _idle(cell.family, cell.kind))
