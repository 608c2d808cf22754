"""How much of a batch passes at once, and whether activations are kept or computed again, by the memory there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from clinpeft.data.tokenize import LENGTH_STEP
from clinpeft.methods._virtual_tokens import VirtualTokens
from clinpeft.models.attention import KEPT_BYTES
from clinpeft.models.load import ClinicalModel

HOST_SHARE = 0.5
"""Of the free memory of a host: other runs may start beside this one."""
DEVICE_SHARE = 0.9
"""Of the free memory of a GPU: its allocator loses some to fragments."""
TRAINED_BYTES = 18
"""A trained parameter: gradient 4, Adam's moments 8, the best epoch's copy 4, a copy in the reduced format 2."""


@dataclass(frozen=True)
class Sizes:
    """What decides how much memory a training step takes, beside the text."""

    num_layers: int
    hidden: int
    intermediate: int
    """Width of a layer's feed-forward part."""
    num_heads: int
    number_bytes: int
    """Of a number in the hidden states: 4 in fp32, else 2."""
    num_trained: int
    """Parameters."""
    trains_backbone: bool
    num_virtual: int = 0
    """Learned positions beside a text's own."""


@dataclass(frozen=True)
class Plan:
    """How a batch is taken; its gradient is the same for every plan."""

    pieces_at_once: int
    """Word pieces, padding included, of one forward and backward pass."""
    recomputes: bool
    """Each layer keeps its input only, and is computed again in the backward pass (Chen et al., 2016)."""


def plan_memory(
    sizes: Sizes, room_bytes: int, most_pieces: int, longest: int, batch_size: int, num_windows: int = 1
) -> Plan:
    """The largest pass that fits `room_bytes`: `most_pieces`, or a half, a quarter … of it, down to one text of
    `longest` word pieces, or to its `num_windows` windows of so many, which have one gradient. Only where not even that
    fits are activations computed again.

    Where that does not fit either, the plan is the smallest one: the estimate is rough, and memory that runs out is a
    failure that the record names. The steps are powers of two, so that a little more or less memory changes nothing.
    """
    window = -(-longest // LENGTH_STEP) * LENGTH_STEP
    text = window * num_windows
    for recomputes in (False, True):
        pieces = most_pieces
        while step_bytes(sizes, max(text, min(pieces, batch_size * text)), window, recomputes) > room_bytes:
            if pieces <= text:
                break
            pieces = max(text, pieces // 2)
        else:
            return Plan(pieces, recomputes)
    return Plan(min(most_pieces, text), True)


def step_bytes(sizes: Sizes, pieces: int, text: int, recomputes: bool) -> int:
    """What a training step takes beside the weights, when `pieces` word pieces pass at once in texts of `text`.

    Counted from what autograd keeps of a layer: its input, query, key, value, context, two sums and their norms, and
    the feed-forward part before and after its non-linearity; the gradients that pass a layer take as much again.
    """
    trained = TRAINED_BYTES * sizes.num_trained
    length = text + sizes.num_virtual
    positions = pieces * length // text
    scores = min(positions * length * sizes.num_heads * sizes.number_bytes, KEPT_BYTES)
    layer = positions * (10 * sizes.hidden + 2 * sizes.intermediate) * sizes.number_bytes + scores
    embedded = positions * 4 * sizes.hidden * 4
    if not sizes.trains_backbone:
        return trained + embedded + layer
    if recomputes:
        inputs = sizes.num_layers * positions * sizes.hidden * sizes.number_bytes
        return trained + embedded + inputs + 2 * layer
    return trained + embedded + (sizes.num_layers + 1) * layer


def sizes_of(model: ClinicalModel, number_bytes: int) -> Sizes:
    """The sizes of an adapted model."""
    card, backbone = model.card, model.backbone
    virtual = backbone if isinstance(backbone, VirtualTokens) else None
    return Sizes(
        num_layers=card.num_layers,
        hidden=card.hidden_size,
        intermediate=_feed_forward_width(model),
        num_heads=card.num_heads,
        number_bytes=number_bytes,
        num_trained=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        trains_backbone=any(parameter.requires_grad for parameter in backbone.parameters()),
        num_virtual=virtual.num_tokens if virtual else 0,
    )


def recompute_activations(model: ClinicalModel) -> None:
    """Let the layers compute their activations again in the backward pass, in training only."""
    suffix = f".{model.card.architecture().layers}"
    for name, module in model.backbone.named_modules():
        if isinstance(module, nn.ModuleList) and f".{name}".endswith(suffix):
            for layer in module:
                layer.forward = partial(_forward, layer, layer.forward)


def free_bytes(device: torch.device) -> int:
    """Memory that a run may take: of a GPU what is free on it, else what host and control groups leave."""
    if device.type == "cuda":
        return int(DEVICE_SHARE * torch.cuda.mem_get_info(device)[0])
    return int(HOST_SHARE * min([psutil.virtual_memory().available, *_group_rooms()]))


def _forward(layer: nn.Module, plain: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """A layer's forward pass that keeps its inputs only. transformers 5.23 does the same, but not for ALBERT."""
    if not (layer.training and torch.is_grad_enabled()):
        return plain(*inputs, **options)
    return checkpoint(plain, *inputs, use_reentrant=False, **options)


def _feed_forward_width(model: ClinicalModel) -> int:
    """Half as much again where a second matrix gates the first."""
    from transformers import PreTrainedModel

    transformer = next(module for module in model.backbone.modules() if isinstance(module, PreTrainedModel))
    # DistilBERT calls it hidden_dim, T5 d_ff.
    names = ("intermediate_size", "hidden_dim", "d_ff")
    width = next(getattr(transformer.config, name) for name in names if hasattr(transformer.config, name))
    return int(width) * (1 + len(model.card.architecture().feed_forward_in)) // 2


def _group_rooms(groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> Iterator[int]:
    """What each limit on this process's control group, or on one above it, leaves (cgroup v2 and v1)."""
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = mounted, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = mounted / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root) and (room := _room(folder, *names)) is not None:
                yield room


def _room(folder: Path, limit: str, used: str, reclaimable: str) -> int | None:
    """Pages of files that the kernel can drop at once do not count as used."""
    try:
        words = (folder / "memory.stat").read_text(encoding="ascii").split()
        allowed = int((folder / limit).read_text(encoding="ascii"))
        taken = int((folder / used).read_text(encoding="ascii"))
    except (OSError, ValueError):
        # No such group here, or no limit (`max`).
        return None
    droppable = dict(zip(words[::2], words[1::2], strict=False)).get(reclaimable, "0")
    return max(0, allowed - taken + int(droppable))
