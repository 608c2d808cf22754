"""What a method promises on a family for a kind of task.

A rule is a function of a Cell that returns None when it holds, and else what is wrong. The rules of a cell share its
trained network, in the order of CELL_RULES; the last one takes the adapter out of it.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from clinpeft.methods.base import Method
from clinpeft.spec import Kind
from clinpeft.testing._rules import CheckResult, results
from clinpeft.testing.cells import MAIN_FAMILY, MAIN_KINDS, NUM_OUTPUTS, Cell, base, logits_of
from clinpeft.testing.tiny import tiny_text, tiny_texts

MORE_STEPS = 20
"""Steps in which the loss must fall where the first ones, at a rate made for real models, led up."""
LEAST_GAIN = 1e-5
"""By how much; the head alone, at the rate it has there, gains less than a tenth of it."""
PADDING_TOLERANCE = 1e-4
RELOAD_TOLERANCE = 1e-6
MERGE_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-5
"""Largest differences, of logits in float32 and of gradients in terms of the largest one."""


def check_cell(entry: type[Method], family: str, kind: Kind) -> list[CheckResult]:
    """What the method promises on a family and a kind of task; of a cell that it refuses, that it says why."""
    cell = Cell(entry, family, kind)
    first = results(cell, (_is_trained_or_refused_in_one_line,))
    if not first[0].passed or cell.reason is not None:
        return first
    is_known = kind == "multilabel" and family != MAIN_FAMILY
    return first + results(cell, LOSS_RULES if is_known else CELL_RULES)


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
    has_adapter = any(name.startswith("backbone.") for name in wanted)
    return None if has_adapter or not _has_adapter(cell.entry) else "only the head trains"


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
    goal = cell.trained.loss_before - LEAST_GAIN
    if cell.trained.loss_after < goal:
        return None
    longer = Cell(cell.entry, cell.family, cell.kind, MORE_STEPS).trained
    found = f"from {longer.loss_before:.4f} to {longer.loss_after:.4f} in {MORE_STEPS} steps"
    return None if longer.loss_after < goal else found


def _gives_the_same_logits_whatever_the_padding(cell: Cell) -> str | None:
    """The two shortest texts, alone and beside longer ones."""
    from clinpeft.data.batch import collate

    texts, together = tiny_texts(cell.kind), cell.trained.logits
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
    """Once a method: nothing of it depends on the architecture or the kind of task."""
    if (cell.family, cell.kind) != (MAIN_FAMILY, MAIN_KINDS[0]):
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
    difference = float((cell.trained.logits - logits_of(again, cell.batch)).abs().max())
    return None if difference <= RELOAD_TOLERANCE else f"logits before and after differ by {difference:.2g}"


def _trains_in_float32_whatever_the_format_of_the_backbone(cell: Cell) -> str | None:
    """Once a family: the kind of task changes nothing of it."""
    import torch

    from clinpeft.train.loss import loss_of
    from clinpeft.train.precision import computing, prepare

    if cell.kind != MAIN_KINDS[0]:
        return None
    model = copy.deepcopy(base(cell.family, cell.kind))
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
    merged = cell.method.merge(cell.trained.model)
    if merged is None:
        return None
    if (difference := float((cell.trained.logits - logits_of(merged, cell.batch)).abs().max())) > MERGE_TOLERANCE:
        return f"logits merged and unmerged differ by {difference:.2g}"
    plain = {name for name, _ in base(cell.family, cell.kind).named_parameters()}
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
def _has_adapter(entry: type[Method]) -> bool:
    """Whether a method is more than a probe: whether something of BERT's backbone trains."""
    cell = Cell(entry, MAIN_FAMILY, MAIN_KINDS[0])
    return cell.reason is None and any(value.requires_grad for value in cell.fresh().backbone.parameters())


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
