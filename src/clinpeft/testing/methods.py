"""What every fine-tuning method promises."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from clinpeft.methods.base import Context, Method
from clinpeft.models.families.base import FAMILIES
from clinpeft.spec import Kind, TrainOptions
from clinpeft.testing._rules import CheckResult, Rule, empty_attributes, results
from clinpeft.testing.tiny import tiny_batch, tiny_model, tiny_text, tiny_texts

if TYPE_CHECKING:
    import torch

    from clinpeft.data.batch import Batch
    from clinpeft.models.load import ClinicalModel

KINDS: tuple[Kind, ...] = get_args(Kind)
NUM_OUTPUTS = 3
NUM_STEPS = 20
"""Optimiser steps in which the loss must fall."""
FEW_STEPS = 5
"""Enough to move an adapter from its start."""
PADDING_TOLERANCE = 1e-4
RELOAD_TOLERANCE = 1e-6
MERGE_TOLERANCE = 1e-4
"""Largest differences of logits in float32."""


def check_method(entry: type[Method]) -> list[CheckResult]:
    """The promises of a method, on a tiny BERT with random weights and every kind of task that it does not refuse."""
    return results(entry, METHOD_RULES)


def _says_what_it_is(entry: type[Method]) -> str | None:
    if not getattr(entry, "learning_rate", 0) > 0:
        return "learning_rate: not set"
    return empty_attributes(entry, ("title", "citation")) or (
        "its title has two lines" if "\n" in entry.title else None
    )


def _is_made_without_options(entry: type[Method]) -> str | None:
    entry()
    return None


def _documents_every_option(entry: type[Method]) -> str | None:
    bare = [name for name, field in entry.model_fields.items() if not field.description]
    return f"no text under option {', '.join(bare)}" if bare else None


def _tunes_at_most_two_of_its_options(entry: type[Method]) -> str | None:
    if len(entry.tunable) > 2:
        return f"{len(entry.tunable)} options to tune"
    for name, (low, high, scale) in entry.tunable.items():
        if name not in entry.model_fields:
            return f"'{name}' is none of its options"
        if not low < high or (scale == "log" and low <= 0):
            return f"'{name}' has an empty range"
        for value in (low, high):
            entry.model_validate({name: value})
    return None


def _serves_or_refuses_every_family(entry: type[Method]) -> str | None:
    """Up to the family's full length: 40 positions, of which RoBERTa has no use for two."""
    import torch

    for family in FAMILIES.names():
        for kind in KINDS:
            model = tiny_model(family, kind, NUM_OUTPUTS, max_position_embeddings=40)
            reason = entry().refuses(model.card, kind)
            if reason is None:
                length = entry().text_length(model.card.max_positions, model.card)
                batch = _longest(kind, length, has_token_types=model.card.architecture().has_token_types)
                with torch.inference_mode():
                    shape = tuple(_applied(entry(), model, kind)(batch).shape)
                wanted = (1, batch.input_ids.shape[1], NUM_OUTPUTS) if kind == "entities" else (1, NUM_OUTPUTS)
                if shape != wanted:
                    return f"{family}, {kind}: logits of shape {shape}, not {wanted}"
            elif not reason or "\n" in reason:
                return f"{family}, {kind}: its reason must be one line"
    return None


def _trains_the_whole_head_its_adapter_and_nothing_else(entry: type[Method]) -> str | None:
    from clinpeft.train.loop import loss_of

    for kind in _kinds(entry):
        model, batch = _fresh(entry, kind), tiny_batch(kind)
        loss_of(model(batch), batch, kind, None).backward()  # type: ignore[no-untyped-call]
        parameters = dict(model.named_parameters())
        wanted = {name: value.requires_grad for name, value in parameters.items()}
        for name, value in parameters.items():
            has_gradient = value.grad is not None and bool(value.grad.any())
            if name.startswith("head.") and not has_gradient:
                return f"{kind}: no gradient on {name}"
            if wanted[name] != (value.grad is not None):
                return f"{kind}: {'no' if wanted[name] else 'a'} gradient on {name}"
        before = {name: value.clone() for name, value in model.state_dict().items()}
        _fit(entry(), model, kind, 1e-3)
        for name, value in model.state_dict().items():
            if value.equal(before[name]) == wanted.get(name, False):
                return f"{kind}: training {'leaves' if wanted.get(name) else 'changes'} {name}"
    return None


def _lowers_the_loss_at_its_own_learning_rate(entry: type[Method]) -> str | None:
    """The head all but stands still, so that it is the adapter that learns; without one it is the head."""
    for kind in _kinds(entry):
        model = _fresh(entry, kind)
        has_adapter = any(value.requires_grad for value in model.backbone.parameters())
        before = _loss(model, kind)
        _fit(entry(), model, kind, 1e-6 if has_adapter else 1e-2, NUM_STEPS)
        after = _loss(model, kind)
        if not after < before - 1e-3:
            return f"{kind}: from {before:.4f} to {after:.4f} in {NUM_STEPS} steps"
    return None


def _gives_the_same_logits_whatever_the_padding(entry: type[Method]) -> str | None:
    from clinpeft.data.batch import collate

    for kind in _kinds(entry):
        model, texts = _trained(entry, kind), tiny_texts(kind)
        together = _logits(model, tiny_batch(kind))
        for row, text in enumerate(texts):
            alone = _logits(model, collate([text], [0], 0))[0]
            own = together[row]
            if kind == "entities":
                alone, own = alone[: len(text.input_ids)], own[: len(text.input_ids)]
            if (difference := float((alone - own).abs().max())) > PADDING_TOLERANCE:
                return f"{kind}: logits alone and in a batch differ by {difference:.2g}"
    return None


def _trains_the_same_from_the_same_seed(entry: type[Method]) -> str | None:
    for kind in _kinds(entry):
        first, second = _trained(entry, kind).state_dict(), _trained(entry, kind).state_dict()
        if changed := [name for name, value in first.items() if not value.equal(second[name])]:
            return f"{kind}: {changed[0]} differs"
    return None


def _gives_the_same_logits_after_a_reload(entry: type[Method]) -> str | None:
    """Into a fresh backbone with another random head, as when a run is exported."""
    for kind in _kinds(entry):
        model, batch = _trained(entry, kind), tiny_batch(kind)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "adapter"
            entry().save(model, folder)
            if strange := [path.name for path in folder.rglob("*") if path.suffix not in {".safetensors", ".json"}]:
                return f"{kind}: writes {strange[0]}, which is neither safetensors nor JSON"
            again = _fresh(entry, kind, head_seed=2, seed=3)
            entry().load(again, folder)
        if (difference := float((_logits(model, batch) - _logits(again, batch)).abs().max())) > RELOAD_TOLERANCE:
            return f"{kind}: logits before and after differ by {difference:.2g}"
    return None


def _gives_the_same_logits_when_merged(entry: type[Method]) -> str | None:
    for kind in _kinds(entry):
        model, batch = _trained(entry, kind), tiny_batch(kind)
        before = _logits(model, batch)
        merged = entry().merge(model)
        if merged is None:
            continue
        if (difference := float((before - _logits(merged, batch)).abs().max())) > MERGE_TOLERANCE:
            return f"{kind}: logits merged and unmerged differ by {difference:.2g}"
        plain = tiny_model("bert", kind, NUM_OUTPUTS)
        if {name for name, _ in merged.named_parameters()} != {name for name, _ in plain.named_parameters()}:
            return f"{kind}: what is left is not a plain backbone"
    return None


METHOD_RULES: tuple[Rule[Method], ...] = (
    _says_what_it_is,
    _is_made_without_options,
    _documents_every_option,
    _tunes_at_most_two_of_its_options,
    _serves_or_refuses_every_family,
    _trains_the_whole_head_its_adapter_and_nothing_else,
    _lowers_the_loss_at_its_own_learning_rate,
    _gives_the_same_logits_whatever_the_padding,
    _trains_the_same_from_the_same_seed,
    _gives_the_same_logits_after_a_reload,
    _gives_the_same_logits_when_merged,
)


def _kinds(entry: type[Method]) -> Iterator[Kind]:
    """The kinds of task that the method does not refuse on BERT."""
    for kind in KINDS:
        if entry().refuses(tiny_model("bert", kind, NUM_OUTPUTS).card, kind) is None:
            yield kind


def _fresh(entry: type[Method], kind: Kind, *, head_seed: int = 1, seed: int = 0) -> ClinicalModel:
    return _applied(entry(), tiny_model("bert", kind, NUM_OUTPUTS, head_seed=head_seed), kind, seed)


def _applied(method: Method, model: ClinicalModel, kind: Kind, seed: int = 0) -> ClinicalModel:
    import torch

    torch.manual_seed(seed)
    return method.apply(model, model.card, Context(seed, kind, NUM_STEPS, lambda: iter([tiny_batch(kind)])))


def _trained(entry: type[Method], kind: Kind) -> ClinicalModel:
    model = _fresh(entry, kind)
    _fit(entry(), model, kind, 1e-3)
    return model


def _fit(
    method: Method, model: ClinicalModel, kind: Kind, head_learning_rate: float, num_steps: int = FEW_STEPS
) -> None:
    """Steps on one and the same batch, by the product's own loop."""
    import torch

    from clinpeft.train.engine import set_up
    from clinpeft.train.loop import fit
    from clinpeft.train.meter import Meter

    options = TrainOptions(
        epochs=num_steps,
        learning_rate=method.learning_rate,
        head_learning_rate=head_learning_rate,
        early_stopping_patience=None,
        precision="fp32",
    )
    device = torch.device("cpu")
    fit(
        model,
        method,
        lambda epoch: iter([tiny_batch(kind)]),
        num_steps,
        kind,
        options,
        seed=0,
        engine=set_up(model, options, device),
        class_weights=None,
        judge=lambda: None,
        meter=Meter(device),
    )


def _loss(model: ClinicalModel, kind: Kind) -> float:
    from clinpeft.train.loop import loss_of

    batch = tiny_batch(kind)
    return float(loss_of(_logits(model, batch), batch, kind, None))


def _logits(model: ClinicalModel, batch: Batch) -> torch.Tensor:
    import torch

    with torch.inference_mode():
        logits: torch.Tensor = model.eval()(batch)
    return logits


def _longest(kind: Kind, length: int, *, has_token_types: bool) -> Batch:
    from clinpeft.data.batch import collate

    text = tiny_text(kind, 0, length)
    return collate([text if has_token_types else replace(text, token_type_ids=None)], [0], 0)
