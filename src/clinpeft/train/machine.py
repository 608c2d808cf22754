"""The machine a run is on: its device, threads and description."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from clinpeft.launchers.base import CORES, PROCESSES, SHARDS
from clinpeft.record import Environment
from clinpeft.train.precision import Precision


def pick_device() -> torch.device:
    """The first CUDA device if this build of torch has kernels for it, else the CPU.

    Builds leave old GPUs out (docs/how-to/gpu.md); torch would warn, and fail at the first operation.
    """
    is_usable = torch.cuda.is_available() and (
        # Not asked of AMD's GPUs, which torch also calls CUDA.
        torch.version.cuda is None or _has_kernels(torch.cuda.get_device_capability(0), torch.cuda.get_arch_list())
    )
    return torch.device("cuda" if is_usable else "cpu")


def use_threads(wanted: int | None, processes: int = 1) -> None:
    """Compute with so many threads, shared out over the run's processes; by default with one for every core that this
    process may use."""
    torch.set_num_threads(max(1, (wanted or num_cores()) // processes))


def num_processes() -> int:
    """Over how many processes, this one included, a launcher wants a run to be shared out ($CLINPEFT_PROCESSES)."""
    return max(1, int(os.environ.get(PROCESSES, 1)))


def shards_weights() -> bool:
    """Whether a launcher wants each of a run's processes to hold a part of the frozen weights ($CLINPEFT_SHARDS)."""
    return os.environ.get(SHARDS) == "1"


def num_cores() -> int:
    """Cores this process may use; where a launcher has given it a share of them ($CLINPEFT_CORES), so many."""
    allowed = len(os.sched_getaffinity(0))
    return min(allowed, int(os.environ.get(CORES, allowed)))


def describe_machine(
    device: torch.device, precision: Precision, micro_batch: int, *, engine: str | None = None, processes: int = 1
) -> Environment:
    """The record's environment; `engine` and torch's switches stand among the versions, as they decide what the last
    bits come to.

    processes: that the run was shared out over, with a GPU each as far as there are so many.
    """
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    if gpu and (number := min(processes, torch.cuda.device_count())) > 1:
        gpu = f"{number} x {gpu}"
    cpu = _cpu_name()
    hardware = f"{cpu}|{num_cores()}|{gpu}"
    return Environment(
        hardware_id=hashlib.sha256(hardware.encode()).hexdigest()[:12],
        cpu=cpu,
        cores=num_cores(),
        threads=torch.get_num_threads(),
        gpu=gpu,
        precision_used=precision,
        micro_batch=micro_batch,
        group_size=1,
        deterministic=device.type == "cpu" and processes == 1,
        versions={**_versions(), **_switches(), **({} if engine is None else {"engine": engine})},
    )


def _has_kernels(capability: tuple[int, int], built_for: list[str]) -> bool:
    """Code for `sm_XY` runs on its own generation from minor version Y on; `compute_XY` is compiled for later ones."""
    for name in built_for:
        kind, _, digits = name.partition("_")
        if digits.isdigit():
            major, minor = int(digits[:-1]), int(digits[-1])
            if kind == "sm" and major == capability[0] and minor <= capability[1]:
                return True
            if kind == "compute" and (major, minor) <= capability:
                return True
    return False


@cache
def _versions() -> dict[str, str]:
    names = ("clinpeft", "torch", "transformers", "peft", "scikit-learn", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _switches() -> dict[str, str]:
    """Beside the versions, what of torch decides how exactly a run can be repeated."""
    return {
        "cuda": torch.version.cuda or "none",
        "cudnn": str(torch.backends.cudnn.version() or "none"),  # type: ignore[no-untyped-call]
        "deterministic_algorithms": "on" if torch.are_deterministic_algorithms_enabled() else "off",
        "tf32": f"products {torch.get_float32_matmul_precision()}, cudnn {torch.backends.cudnn.allow_tf32}",
    }


@cache
def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
