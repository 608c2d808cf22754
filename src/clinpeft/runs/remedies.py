"""What of a study will not fit into this machine, by how much, and what would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.launchers.local import Local
from clinpeft.methods.base import METHODS, method_of, resolve_method
from clinpeft.models.catalogue import ModelCard, ResolvedModel, catalogue
from clinpeft.runs.grid import Plan, as_frozen
from clinpeft.runs.needs import Needs
from clinpeft.spec import MethodChoice, RunSpec

Kind = Callable[[RunSpec, ResolvedModel], Iterator[tuple[RunSpec, ResolvedModel, str]]]
LENGTHS = (256, 128)
"""Shorter texts that are proposed."""
QUANTISED = ("lora-8bit", "qlora")
"""Methods on a smaller base that are proposed."""


def shortfall(needs: Needs) -> tuple[float, float]:
    """Bytes of the host's and of the device's memory that a run lacks here; zeros where it fits."""
    import torch

    from clinpeft.train.machine import pick_device
    from clinpeft.train.memory import DEVICE_SHARE, free_bytes

    host = max(0.0, needs.peak_host_bytes - _free_host_bytes())
    if needs.peak_device_bytes is None:
        return host, 0.0
    device: torch.device = pick_device()
    return host, max(0.0, needs.peak_device_bytes - free_bytes(device) / DEVICE_SHARE)


def remedies(spec: RunSpec, planned: Plan) -> tuple[str, ...]:
    """One of each kind that makes the run fit, as reckoned: shorter texts, a quantised base, the next smaller model,
    the frozen weights in shards on all the GPUs.

    A smaller batch and recomputed activations are not among them: the engine takes batches in parts and computes
    activations again by itself where memory is short, and that is counted already.
    """
    found = []
    kinds: tuple[Kind, ...] = (_shorter, _quantised, _smaller)
    if spec.is_baseline:
        # It reads with the model as it is, whole.
        spec, kinds = as_frozen(spec), (_shorter, _smaller)
    for kind in kinds:
        for changed, model, name in kind(spec, planned.models[spec.model]):
            if (needs := _fitting(changed, planned, model)) is not None:
                found.append(f"{name} ({needs.peak_host_bytes / 1e9:.1f} GB)")
                break
    found += _in_shards(spec, planned) if _quantised in kinds else ()
    return tuple(found) or ("a machine with more memory",)


def _shorter(spec: RunSpec, model: ResolvedModel) -> Iterator[tuple[RunSpec, ResolvedModel, str]]:
    for length in LENGTHS:
        if length < spec.train.max_length:
            train = spec.train.model_copy(update={"max_length": length})
            yield spec.model_copy(update={"train": train}), model, f"max_length: {length}"


def _quantised(spec: RunSpec, model: ResolvedModel) -> Iterator[tuple[RunSpec, ResolvedModel, str]]:
    for name in QUANTISED:
        if name in METHODS and name != spec.method.name:
            method = resolve_method(MethodChoice(name=name))[1]
            yield spec.model_copy(update={"method": method}), model, f"method {name}"


def _smaller(spec: RunSpec, model: ResolvedModel) -> Iterator[tuple[RunSpec, ResolvedModel, str]]:
    """From the largest."""
    for card in sorted(catalogue().values(), key=lambda card: -(card.backbone_parameters or 0)):
        size = card.backbone_parameters or 0
        if 0 < size < (model.card.backbone_parameters or float("inf")) and _may_serve(card, spec):
            yield spec.model_copy(update={"model": card.name}), ResolvedModel(card, Path(card.name), ""), card.name


def _in_shards(spec: RunSpec, planned: Plan) -> Iterator[str]:
    """Where there are several GPUs and the method leaves weights frozen."""
    import torch

    from clinpeft.runs.reckon import reckon, text_lengths

    number = torch.cuda.device_count()
    if number < 2 or spec.method.name == "full":
        return
    dataset, model = planned.datasets[spec.task], planned.models[spec.model]
    launcher = Local(processes_per_run=number, shard_weights=True)
    needs = reckon(spec, dataset, model, text_lengths(spec, dataset, model), launcher)
    if needs.peak_device_bytes is not None and not any(shortfall(needs)):
        size = f"{needs.peak_device_bytes / 1e9:.1f} GB a GPU"
        yield f"--set processes_per_run={number} --set shard_weights=true ({size})"


def _may_serve(card: ModelCard, spec: RunSpec) -> bool:
    has_room = card.max_positions >= spec.train.max_length
    return has_room and not method_of(spec.method).refuses(card, spec.kind)


def _fitting(spec: RunSpec, planned: Plan, model: ResolvedModel) -> Needs | None:
    from clinpeft.runs.reckon import reckon, text_lengths

    dataset = planned.datasets[spec.task]
    if 4 * (model.card.backbone_parameters or 0) > _free_host_bytes():
        # It is read in float32 whatever becomes of it then: not worth building.
        return None
    try:
        needs = reckon(spec, dataset, model, text_lengths(spec, dataset, model))
    except BadInput:
        return None
    return None if any(shortfall(needs)) else needs


def _free_host_bytes() -> float:
    import torch

    from clinpeft.train.memory import HOST_SHARE, free_bytes

    return free_bytes(torch.device("cpu")) / HOST_SHARE
