"""Leases: which worker trains a run, whether it still lives, and what tells a revived one that it was replaced.

A lease is a line of the journal; its number, which only grows, is the fencing token: whoever commits a run or a
checkpoint must hold the newest lease of that run. Beside it lies a file `leases/<run>` that says where the worker is
and grows by a byte every few seconds while it lives. Others watch that on their own clock; no two clocks are compared.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from clinpeft.errors import ClinpeftError, EnvironmentStop
from clinpeft.files import write_atomic
from clinpeft.runs.journal import Journal

BEAT_SECONDS = 5.0
"""Between two signs of life."""
PATIENCE_SECONDS = 30.0
"""Without a sign of life a worker on another machine is given up."""
LOOK_SECONDS = 0.2
"""Between two looks at a lease that another worker holds."""


class LeaseLost(ClinpeftError):
    """The run was given to another worker meanwhile: what this one has made is not kept."""


@dataclass(frozen=True)
class Worker:
    """A process, told apart from one that gets its number later."""

    host: str
    pid: int
    started: str
    """Clock ticks since the machine was started."""
    machine: str
    """This start of the machine, and the processes among which the number counts."""

    @classmethod
    def this(cls) -> Worker:
        """The worker that asks."""
        return cls(socket.gethostname(), os.getpid(), _started(os.getpid()), _machine())

    @property
    def name(self) -> str:
        """For the journal: host:pid."""
        return f"{self.host}:{self.pid}"

    def is_gone(self) -> bool:
        """Whether it is known to have ended; of another machine's worker nothing is known."""
        here = socket.gethostname() == self.host
        return here and self.machine == _machine() and _started(self.pid) != self.started


class Lease:
    """The right to write a run, from its making to `release`."""

    def __init__(self, journal: Journal, file: Path, run: str) -> None:
        self.journal, self.file, self.run = journal, file, run
        self.worker = Worker.this()
        self.number = journal.append("leased", run, worker=self.worker.name)
        write_atomic(file, json.dumps({**asdict(self.worker), "lease": self.number}) + "\n")
        self._sign = file.open("ab", buffering=0)
        self._ended = threading.Event()
        threading.Thread(target=self._beat, name="lease", daemon=True).start()

    @contextlib.contextmanager
    def fence(self) -> Iterator[None]:
        """Held while something of the run gets its final name. Raises LeaseLost when a newer lease was given."""
        if not self.journal.path.exists():
            raise EnvironmentStop(f"{self.journal.path.parent}: the study's folder is gone; put it back, and run again")
        with self.journal.locked():
            if self.journal.newest_lease(self.run) != self.number:
                raise LeaseLost(f"run {self.run}: another worker has taken it over")
            yield

    def release(self) -> None:
        """Give the run back; a lease that was lost is left alone."""
        self._ended.set()
        with contextlib.suppress(LeaseLost, EnvironmentStop), self.fence():
            self.file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # Other runs are leased.
                self.file.parent.rmdir()
        self._sign.close()

    def _beat(self) -> None:
        # Into the file that was opened: a lease given later has a file of its own under that name.
        while not self._ended.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError, ValueError):
                self._sign.write(b".")


class Watch:
    """Looks at the lease of a run that somebody else may hold."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen: bytes | None = None
        self._since = time.monotonic()

    def is_held(self) -> bool:
        """Whether a worker that may be living holds it, as far as looks until now tell."""
        seen = _content(self.file)
        holder = _holder(seen)
        if holder is None or holder.is_gone():
            return False
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return time.monotonic() - self._since < PATIENCE_SECONDS


def holder_of(file: Path) -> Worker | None:
    """The worker that holds a lease and is not known to have ended."""
    holder = _holder(_content(file))
    return None if holder is None or holder.is_gone() else holder


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _holder(content: bytes | None) -> Worker | None:
    try:
        facts = json.loads((content or b"").partition(b"\n")[0])
        return Worker(facts["host"], facts["pid"], facts["started"], facts["machine"])
    except (ValueError, KeyError, TypeError):
        return None


@cache
def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _started(pid: int) -> str:
    """When a process was started; empty when there is none, or it has ended and only waits to be noticed."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] in "ZX" else words[19]
