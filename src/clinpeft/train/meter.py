"""What a run costs: seconds, bytes, joules, latency. Physical units only; money is the report's business."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import psutil
import torch

from clinpeft.record import Cost, How
from clinpeft.spec import CostField
from clinpeft.train.allocator import give_back_freed_memory
from clinpeft.train.energy import EnergyMeter
from clinpeft.train.machine import describe_machine

T = TypeVar("T")
Phase = Literal["training", "evaluation"]
OnStep = Callable[[int, int, float, int], None]
"""Told after every step: its number, how many there will be at most, the loss, word pieces so far."""

UNAVAILABLE = Cost(value=None, how="unavailable")


class Stopwatch:
    """Training and evaluation time apart, by a clock that never steps back."""

    def __init__(
        self,
        stepped: OnStep = lambda step, num_steps, loss, tokens: None,
        ended: Callable[[Phase], None] = lambda phase: None,
    ) -> None:
        self.stepped, self.ended = stepped, ended
        self.train_seconds = 0.0
        self.evaluate_seconds = 0.0
        self.limit_counts_evaluation = False

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Counts the block as training."""
        start = time.monotonic()
        yield
        self.train_seconds += time.monotonic() - start

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Counts the block as evaluation; what came before it was training."""
        self.ended("training")
        start = time.monotonic()
        yield
        self.evaluate_seconds += time.monotonic() - start
        self.ended("evaluation")

    def is_over(self, limit_seconds: float | None) -> bool:
        """Whether training (and evaluation, where that counts) has taken longer than the limit."""
        spent = self.train_seconds + (self.evaluate_seconds if self.limit_counts_evaluation else 0.0)
        return limit_seconds is not None and spent >= limit_seconds


class Judged(NamedTuple):
    """One judgement of a run under way."""

    step: int
    train_seconds: float
    evaluate_seconds: float
    """Of the judgements before this one."""
    score: float | None
    """Of what the run is judged by, turned so that more is better; None where it is undefined."""


class Meter:
    """Measures one run in this process, from its making on.

    Loading, tokenising and set-up are no training time. Of a GPU's memory the record holds the most that training had
    allocated; what the allocator had reserved, and both in evaluation, are in `device_peaks` alone: the record's schema
    has no field for them.
    """

    def __init__(self, device: torch.device, *stepped: OnStep) -> None:
        self.device = device
        self.watch = Stopwatch(self._stepped, self._ended)
        self.device_peaks: dict[Phase, tuple[int, int]] = {"training": (0, 0), "evaluation": (0, 0)}
        """Bytes allocated and reserved; zeros without a GPU."""
        self.judged: list[Judged] = []
        """In order."""
        self._step = 0
        self._told = stepped
        give_back_freed_memory()
        self._can_reset = _reset_peak_memory()
        self._energy = EnergyMeter(_gpu_uuid(device))
        self._energy_before: Cost | None = None
        self._peak_before = 0.0
        self._host_beside = self._device_beside = self._joules_beside = 0.0
        self._is_one_machine = True
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def judge(self, score: float | None) -> None:
        """Note what a judgement gave, at the step and time that are now."""
        self.judged.append(Judged(self._step, self.watch.train_seconds, self.watch.evaluate_seconds, score))

    def throughput(self, score_all: Callable[[], T], num_examples: int) -> tuple[T, Cost]:
        """What `score_all` returns, and examples a second while it ran (counted as evaluation)."""
        start = time.monotonic()
        with self.watch.evaluating():
            result = score_all()
        seconds = time.monotonic() - start
        return result, Cost(value=num_examples / seconds, how="measured") if num_examples else UNAVAILABLE

    def costs(self) -> dict[CostField, Cost]:
        """Time, memory and energy so far.

        Of a run over several processes: the leader's time, the sum of all peaks of host memory, the largest peak of a
        process on its GPU, everybody's energy.
        """
        self._ended("training")
        own_bytes = max(self.device_peaks["training"][0], self._device_beside)
        device_bytes = own_bytes if self.device.type == "cuda" else None
        host_bytes = max(_peak_memory(), self._peak_before) + self._host_beside
        return {
            "train_seconds": Cost(value=self.watch.train_seconds, how=self._how()),
            "evaluate_seconds": Cost(value=self.watch.evaluate_seconds, how=self._how()),
            "peak_host_bytes": Cost(value=host_bytes, how=self._how(self._can_reset)),
            "peak_device_bytes": UNAVAILABLE if device_bytes is None else Cost(value=device_bytes, how=self._how()),
            "energy_joules": self._joules(),
        }

    def spent(self) -> dict[str, Any]:
        """What the run has taken so far, for a checkpoint."""
        self._ended("training")
        return {
            "machine": describe_machine(self.device, "fp32", 1).hardware_id,
            "train_seconds": self.watch.train_seconds,
            "evaluate_seconds": self.watch.evaluate_seconds,
            "peak_host_bytes": _peak_memory(),
            "device_peaks": dict(self.device_peaks),
            "energy": self._joules().model_dump(),
            "step": self._step,
            "judged": [list(one) for one in self.judged],
        }

    def add(self, spent: Mapping[str, Any]) -> None:
        """Count in what the run took until the checkpoint that it goes on from.

        What it took after that checkpoint is in no account: it had to be done again. Costs of another machine than
        this one make the sums estimates.
        """
        self.watch.train_seconds += spent["train_seconds"]
        self.watch.evaluate_seconds += spent["evaluate_seconds"]
        for phase, (allocated, reserved) in spent["device_peaks"].items():
            now = self.device_peaks[phase]
            self.device_peaks[phase] = max(now[0], allocated), max(now[1], reserved)
        self._peak_before = max(self._peak_before, spent["peak_host_bytes"])
        self._energy_before = Cost(**spent["energy"])
        self._step = spent.get("step", self._step)
        self.judged = [*(Judged(*one) for one in spent.get("judged", ())), *self.judged]
        self._is_one_machine = spent["machine"] == describe_machine(self.device, "fp32", 1).hardware_id

    def spent_beside(self, *, has_own_gpu: bool) -> dict[str, float]:
        """What this process has taken so far, for the leader of its run."""
        self._ended("training")
        joules = self._energy.beside(has_own_gpu=has_own_gpu)
        return {"host_bytes": _peak_memory(), "device_bytes": self.device_peaks["training"][0], "joules": joules}

    def add_beside(self, host_bytes: float, device_bytes: float, joules: float) -> None:
        """Count in what another process of the run has taken."""
        self._host_beside += host_bytes
        self._device_beside = max(self._device_beside, device_bytes)
        self._joules_beside += joules

    def _joules(self) -> Cost:
        now, before = self._energy.cost(), self._energy_before
        if now.value is not None:
            now = Cost(value=now.value + self._joules_beside, how=now.how)
        if before is None:
            return now
        if now.value is None or before.value is None:
            return UNAVAILABLE
        is_measured = now.how == before.how == "measured"
        return Cost(value=now.value + before.value, how="measured" if is_measured else "estimated")

    def _how(self, is_measured: bool = True) -> How:
        return "measured" if is_measured and self._is_one_machine else "estimated"

    def _stepped(self, step: int, num_steps: int, loss: float, tokens: int) -> None:
        self._energy.keep_up()
        self._step = step
        for tell in self._told:
            tell(step, num_steps, loss, tokens)

    def _ended(self, phase: Phase) -> None:
        """Keep the peaks of a phase, and start anew."""
        self._energy.keep_up()
        if self.device.type != "cuda":
            return
        now = torch.cuda.max_memory_allocated(self.device), torch.cuda.max_memory_reserved(self.device)
        allocated, reserved = self.device_peaks[phase]
        self.device_peaks[phase] = max(allocated, now[0]), max(reserved, now[1])
        torch.cuda.reset_peak_memory_stats(self.device)


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


def folder_bytes(folder: Path, names: Sequence[str]) -> Cost:
    """Size of the named files on disk."""
    return Cost(value=float(sum((folder / name).stat().st_size for name in names)), how="measured")


def peak_memory() -> dict[CostField, Cost]:
    """The most memory that this process, and its GPU if it has one, had in use since a meter was last made here."""
    found: dict[CostField, Cost] = {"peak_host_bytes": Cost(value=_peak_memory(), how="measured")}
    if torch.cuda.is_available():
        most = float(max(torch.cuda.max_memory_allocated(number) for number in range(torch.cuda.device_count())))
        found["peak_device_bytes"] = Cost(value=most, how="measured")
    return found


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


def _gpu_uuid(device: torch.device) -> str | None:
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else None
