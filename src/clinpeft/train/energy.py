"""Joules of a run: by the counters of processor and GPU, or estimated from the processor's rated power."""

from __future__ import annotations

import ctypes
import math
import os
import time
from pathlib import Path
from typing import Protocol

from clinpeft.errors import BadInput
from clinpeft.record import Cost, How

WATTS = "CLINPEFT_CPU_WATTS"
"""Environment variable: watts of the processor package under load, for machines whose counters cannot be read."""
POWERCAP = Path("/sys/class/powercap")
SECONDS_BETWEEN = 60.0
"""A package's counter wraps around after minutes under load; it is read often enough to notice."""
MOST_WATTS = 500
"""Of a package: how fast its counter may wrap around."""


class Source(Protocol):
    """Something that uses energy."""

    how: How

    def joules(self) -> float:
        """Used since it was opened."""


class EnergyMeter:
    """What processor and GPU use from its making on.

    Counters see the whole package or GPU: what else runs on it is in the value. On a GPU the host's share belongs to
    it: where only the GPU's counter can be read, the value is a lower bound and counts as estimated; where the GPU's
    cannot, there is no value. Memory chips, fans and power supply are never in it.
    """

    def __init__(self, gpu_uuid: str | None = None) -> None:
        self.processor: Source | None = open_rapl() or open_rated()
        self.has_gpu = gpu_uuid is not None
        self.gpu: Source | None = None if gpu_uuid is None else open_nvml(gpu_uuid)
        self.read = time.monotonic()

    def keep_up(self) -> None:
        """Read the counters where that was long ago: called after every step, so that no wrap-around goes unseen."""
        if time.monotonic() - self.read > SECONDS_BETWEEN:
            self.cost()
            self.read = time.monotonic()

    def cost(self) -> Cost:
        """Joules so far, and how they were got."""
        parts = [part for part in (self.processor, self.gpu) if part is not None]
        values = [part.joules() for part in parts]
        if not parts or (self.has_gpu and self.gpu is None) or any(math.isnan(value) for value in values):
            return Cost(value=None, how="unavailable")
        is_measured = self.processor is not None and all(part.how == "measured" for part in parts)
        return Cost(value=sum(values), how="measured" if is_measured else "estimated")

    def beside(self, *, has_own_gpu: bool) -> float:
        """What this process of a run adds to the joules that the run's leader reads on the same machine: a package's
        counter sees every process."""
        parts = [self.processor if isinstance(self.processor, RatedPower) else None, self.gpu if has_own_gpu else None]
        return sum(part.joules() for part in parts if part is not None)


class Rapl:
    """The counters of the processor's packages (RAPL, on Intel and AMD), in microjoules; each wraps around at its own
    largest value.

    The value counts as estimated once so much time lay between two readings that a counter may have come round twice.
    """

    def __init__(self, packages: list[Path]) -> None:
        self.how: How = "measured"
        self.packages, self.read = packages, time.monotonic()
        self.largest = [_number(package / "max_energy_range_uj") for package in packages]
        self.last = [_number(package / "energy_uj") for package in packages]
        self.used = 0

    def joules(self) -> float:
        """NaN once a counter can no longer be read."""
        try:
            now = [_number(package / "energy_uj") for package in self.packages]
        except (OSError, ValueError):
            return math.nan
        if time.monotonic() - self.read > min(self.largest) / 1e6 / MOST_WATTS:
            self.how = "estimated"
        for before, after, largest in zip(self.last, now, self.largest, strict=True):
            self.used += after - before if after >= before else after - before + largest
        self.last, self.read = now, time.monotonic()
        return self.used / 1e6


class RatedPower:
    """Rated watts times the share of the machine's core seconds that this process has used: an estimate."""

    def __init__(self, watts: float) -> None:
        self.how: How = "estimated"
        self.watts_a_core = watts / (os.cpu_count() or 1)
        self.start = time.process_time()

    def joules(self) -> float:
        """By the processor time of all threads."""
        return self.watts_a_core * (time.process_time() - self.start)


class Nvml:
    """A GPU's own counter (NVIDIA, Volta and later), in millijoules since its driver was loaded."""

    def __init__(self, library: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        self.how: How = "measured"
        self.library, self.handle = library, handle
        self.start = self._millijoules()

    def joules(self) -> float:
        """NaN once it can no longer be read."""
        return (self._millijoules() - self.start) / 1e3

    def _millijoules(self) -> float:
        value = ctypes.c_ulonglong()
        failed = self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle, ctypes.byref(value))
        return math.nan if failed else float(value.value)


def open_rapl(folder: Path = POWERCAP) -> Rapl | None:
    """The packages' counters, or None where there are none or only root may read them."""
    try:
        # `intel-rapl:0` is a package, `intel-rapl:0:0` a part of it; `psys` counts the packages once more.
        domains = [path for path in sorted(folder.glob("intel-rapl:*")) if path.name.count(":") == 1]
        packages = [path for path in domains if (path / "name").read_text(encoding="ascii").startswith("package")]
        return Rapl(packages) if packages else None
    except (OSError, ValueError):
        return None


def open_rated() -> RatedPower | None:
    """By the watts that the environment names; None where it names none."""
    watts = rated_watts()
    return None if watts is None else RatedPower(watts)


def rated_watts() -> float | None:
    """What CLINPEFT_CPU_WATTS says. Raises BadInput unless it is a positive number."""
    text = os.environ.get(WATTS)
    if not text:
        return None
    try:
        watts = float(text)
    except ValueError:
        watts = math.nan
    if not 0 < watts < math.inf:
        raise BadInput(WATTS, "is no positive number", "give the watts of the processor package, or unset it")
    return watts


def open_nvml(uuid: str) -> Nvml | None:
    """The counter of the GPU with this UUID, or None where driver or GPU have none."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    handle = ctypes.c_void_p()
    if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode(), ctypes.byref(handle)):
        return None
    counter = Nvml(library, handle)
    return None if math.isnan(counter.start) else counter


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))
