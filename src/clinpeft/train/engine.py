"""How a run computes: number format, attention, fused layers, and how much of a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from clinpeft.models.load import ClinicalModel
from clinpeft.spec import TrainOptions
from clinpeft.train.allocator import forget_old_kernels, keep_freed_memory
from clinpeft.train.fused import fuse_low_rank
from clinpeft.train.memory import free_bytes, plan_memory, recompute_activations, sizes_of
from clinpeft.train.precision import Precision, choose_precision, prepare
from clinpeft.train.sharding import agreed, gathered_bytes, is_sharded

Place = Callable[[ClinicalModel, torch.device], None]
CPU_PIECES = 4096
"""Word pieces of a pass on a CPU: the states of a layer stay near its caches, and memory small."""
GPU_PIECES = 65_536


@dataclass(frozen=True)
class Engine:
    """The decisions of one run, made once its model is adapted; a record says them."""

    device: torch.device
    precision: Precision
    pieces_at_once: int
    """Word pieces, padding included, of one forward and backward pass; a longer batch is taken in parts."""
    attention: str
    """`clinpeft_cpu` (our own, models.attention), or what transformers calls it."""
    num_fused: int
    """Layers with a fused low-rank adapter."""
    recomputes: bool = False
    """Whether activations are computed again in the backward pass, for want of memory."""
    num_processes: int = 1
    """That the run is shared out over."""
    is_sharded: bool = False
    """Whether each of them holds a part of the frozen weights only."""

    def micro_batch(self, longest: int, batch_size: int) -> int:
        """Examples of `longest` word pieces that pass at once."""
        return max(1, min(-(-batch_size // self.num_processes), self.pieces_at_once // max(1, longest)))

    def pinned(self) -> dict[str, Any]:
        """What of it decides the last bits of a run, for the run to be gone on with."""
        return {"precision": self.precision, "pieces_at_once": self.pieces_at_once}

    def describe(self) -> str:
        """For the record."""
        recomputed = ", activations computed again" if self.recomputes else ""
        parts = f"{self.num_fused} fused layers, {self.pieces_at_once} pieces at once"
        shared = f", {self.num_processes} processes" if self.num_processes > 1 else ""
        shared += ", frozen weights in shards" if self.is_sharded else ""
        return f"attention {self.attention}, {parts}{recomputed}{shared}"


def set_up(
    model: ClinicalModel,
    options: TrainOptions,
    device: torch.device,
    longest: int | None = None,
    num_windows: int = 1,
    pinned: Mapping[str, Any] | None = None,
    num_processes: int = 1,
    place: Place | None = None,
) -> Engine:
    """Put an adapted model into the form in which it trains and scores on `device`, and say which that is.

    longest: word pieces of the longest training text, by default as many as the options allow; where texts are read in
    windows, of the longest window, and num_windows is the most that a text has. pinned: what the engine said of itself
    with which a run was begun that goes on now; memory that has become short still makes the parts smaller.
    num_processes: that the run is shared out over, and memory with it where they have no GPU each. place: puts the
    model onto the device where more is to be done for that than to move it.
    """
    precision = pinned["precision"] if pinned else choose_precision(options.precision, device)
    prepare(model, precision)
    if place is None:
        model.to(device)
    else:
        place(model, device)
    if device.type == "cpu":
        keep_freed_memory()
        forget_old_kernels()
    plan = plan_memory(
        sizes_of(model, number_bytes=4 if precision == "fp32" else 2),
        free_bytes(device) // _sharing(device, num_processes) - gathered_bytes(model),
        most_pieces=pinned["pieces_at_once"] if pinned else CPU_PIECES if device.type == "cpu" else GPU_PIECES,
        longest=longest or min(options.max_length, model.card.max_positions),
        batch_size=-(-options.batch_size // num_processes),
        num_windows=num_windows,
    )
    if is_sharded(model):
        plan = agreed(plan)
    if plan.recomputes:
        recompute_activations(model)
    return Engine(
        device=device,
        precision=precision,
        pieces_at_once=plan.pieces_at_once,
        attention=model.attention,
        num_fused=fuse_low_rank(model),
        recomputes=plan.recomputes,
        num_processes=num_processes,
        is_sharded=is_sharded(model),
    )


def _sharing(device: torch.device, num_processes: int) -> int:
    """How many processes of a run take their memory from the same place."""
    return num_processes if device.type == "cpu" else -(-num_processes // max(1, torch.cuda.device_count()))
