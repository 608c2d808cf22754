"""What a run costs: seconds, bytes, joules, FLOPs, latency. Physical units only; money is the report's business."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import torch
from torch import nn

from clinpeft.models.catalogue import ModelCard
from clinpeft.record import Cost
from clinpeft.spec import CostField

T = TypeVar("T")
OnStep = Callable[[int, int, float, int], None]
"""Told after every step: its number, how many there will be at most, the loss, word pieces so far."""

UNAVAILABLE = Cost(value=None, how="unavailable")


class Stopwatch:
    """Training and evaluation time apart, by a clock that never steps back."""

    def __init__(self, stepped: OnStep = lambda step, num_steps, loss, tokens: None) -> None:
        self.stepped = stepped
        self.train_seconds = 0.0
        self.evaluate_seconds = 0.0

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Counts the block as training."""
        start = time.monotonic()
        yield
        self.train_seconds += time.monotonic() - start

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Counts the block as evaluation."""
        start = time.monotonic()
        yield
        self.evaluate_seconds += time.monotonic() - start

    def is_over(self, limit_seconds: float | None) -> bool:
        """Whether training has taken longer than the limit."""
        return limit_seconds is not None and self.train_seconds >= limit_seconds


class Meter:
    """Measures one run in this process, from its making on."""

    def __init__(self, device: torch.device, *stepped: OnStep) -> None:
        self.device = device
        self.watch = Stopwatch(*stepped)
        self._can_reset = _reset_peak_memory()
        self._energy_start = _energy_joules()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def throughput(self, score_all: Callable[[], T], num_examples: int) -> tuple[T, Cost]:
        """What `score_all` returns, and examples a second while it ran (counted as evaluation)."""
        start = time.monotonic()
        with self.watch.evaluating():
            result = score_all()
        seconds = time.monotonic() - start
        return result, Cost(value=num_examples / seconds, how="measured") if num_examples else UNAVAILABLE

    def costs(self) -> dict[CostField, Cost]:
        """Time, memory and energy so far."""
        energy = _energy_joules()
        used = None if energy is None or self._energy_start is None else energy - self._energy_start
        device_bytes = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None
        return {
            "train_seconds": Cost(value=self.watch.train_seconds, how="measured"),
            "evaluate_seconds": Cost(value=self.watch.evaluate_seconds, how="measured"),
            "peak_host_bytes": Cost(value=_peak_memory(), how="measured" if self._can_reset else "estimated"),
            "peak_device_bytes": UNAVAILABLE if device_bytes is None else Cost(value=device_bytes, how="measured"),
            # The counter wraps around: a negative difference says nothing.
            "energy_joules": UNAVAILABLE if used is None or used < 0 else Cost(value=used, how="measured"),
        }


def latency(calls: Sequence[Callable[[], object]], *, num_warmup: int = 3) -> dict[CostField, Cost]:
    """Seconds to score one example alone, median and 99th percentile over the calls; unavailable without any."""
    if not calls:
        return {"latency_p50_seconds": UNAVAILABLE, "latency_p99_seconds": UNAVAILABLE}
    seconds = []
    for call in (*calls[:num_warmup], *calls):
        start = time.monotonic()
        call()
        seconds.append(time.monotonic() - start)
    p50, p99 = np.percentile(seconds[-len(calls) :], [50, 99])
    return {
        "latency_p50_seconds": Cost(value=float(p50), how="measured"),
        "latency_p99_seconds": Cost(value=float(p99), how="measured"),
    }


def training_flops(model: nn.Module, tokens: int, mean_length: float, card: ModelCard) -> Cost:
    """Floating-point operations of training at the real lengths, counted from shapes (an estimate).

    A matrix of n parameters costs 2n a token forward, 2n for the gradient of its input when anything below it trains,
    and 2n for its own gradient when it trains; attention's two products cost 4 · length · hidden a token and layer.
    """
    matrices = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
    forward = sum(weight.numel() for weight in matrices)
    own = sum(weight.numel() for weight in matrices if weight.requires_grad)
    attention = 2 * mean_length * card.hidden_size * card.num_layers
    per_token = 2 * (forward + attention) + 2 * own
    if any(parameter.requires_grad for name, parameter in model.named_parameters() if name.startswith("backbone.")):
        per_token += 2 * forward + 4 * attention
    return Cost(value=float(per_token * tokens), how="estimated")


def folder_bytes(folder: Path, names: Sequence[str]) -> Cost:
    """Size of the named files on disk."""
    return Cost(value=float(sum((folder / name).stat().st_size for name in names)), how="measured")


def _reset_peak_memory() -> bool:
    """Start the kernel's high-water mark of this process's memory anew (Linux); whether that worked."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _peak_memory() -> float:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    return float(psutil.Process().memory_info().rss)


def _energy_joules() -> float | None:
    """The processor packages' energy counters (RAPL), or None where they cannot be read."""
    counters = [
        path for path in Path("/sys/class/powercap").glob("intel-rapl:*/energy_uj") if path.parent.name.count(":") == 1
    ]
    try:
        return sum(int(path.read_text(encoding="ascii")) for path in counters) / 1e6 if counters else None
    except OSError:
        return None
