"""A worker process, seen from both sides: `Worker` in the one that starts it, `main` in the worker itself.

The two talk through a socket that only they hold. A worker leads a session of its own, so that Ctrl-C in a terminal
reaches it once, through its starter, and whatever it has started can be ended with it. It dies with its starter.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from clinpeft.launchers.base import Function, Lost

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""
LEAST_SECONDS = 0.1
"""Of processor time; the beats of a lease need less in a quarter of an hour."""
MARK = "CLINPEFT_WORKER"
"""The environment variable by which whatever a worker has started is known, also in a session of its own."""


class Worker:
    """A process that does one job after the other, on cores (and a GPU) of its own.

    log: a file for what it prints, which is thrown away without one.
    """

    def __init__(self, cores: Sequence[int], environment: Mapping[str, str], log: Path | None) -> None:
        ours, theirs = socket.socketpair()
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        words = [str(theirs.fileno()), str(os.getpid()), ",".join(map(str, cores))]
        self._oom_kills = oom_kills()
        self._mark = secrets.token_hex(16)
        with theirs, _opened(log) as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", "from clinpeft.launchers._process import main; main()", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment, "PYTHONPATH": paths, MARK: self._mark},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.connection = Connection(ours.detach())
        self._computed, self._still_since = 0.0, time.monotonic()

    def begin(self, function: Function, job: Any) -> None:
        """Hand a job over. A worker that has died meanwhile is found dead by `has_ended`."""
        self._still_since = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send_bytes(pickle.dumps((function, job)))

    def take(self) -> tuple[bool, Any] | None:
        """What came of the job: (True, its value) or (False, what it raised); None when the worker is gone."""
        try:
            answer: tuple[bool, Any] = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None
        return answer

    def has_ended(self) -> bool:
        """Whether the process is dead; it is not waited for."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._process.returncode is not None or os.waitid(os.P_PID, self._process.pid, flags) is not None

    def seconds_still(self) -> float:
        """For how long it has computed next to nothing, as far as looks until now tell; to be asked every second."""
        computed = _processor_seconds(self._process.pid)
        if computed > self._computed + LEAST_SECONDS:
            self._computed, self._still_since = computed, time.monotonic()
        return time.monotonic() - self._still_since

    def interrupt(self) -> None:
        """SIGINT: come to an end."""
        if not self.has_ended():
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """End the process, and what it has started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pid in _marked(f"{MARK}={self._mark}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.connection.close()

    def why(self) -> Lost:
        """Why an ended worker did."""
        number = -(self._process.returncode or 0)
        if number <= 0:
            return Lost("killed", f"its process ended by itself with code {-number}")
        if number == signal.SIGKILL and oom_kills() > self._oom_kills:
            return Lost("oom_host", "the system ended its process, as the machine's memory ran out")
        return Lost("killed", f"its process was ended by {signal.Signals(number).name}")


def oom_kills() -> int:
    """How many processes the kernel has ended for want of memory, as far as it says so: here, and in this group."""
    counts = []
    for path in (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events")):
        with contextlib.suppress(OSError):
            pairs = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
            counts.append(int(pairs.get("oom_kill", 0)))
    return sum(counts)


def outcome_of(function: Function, job: Any) -> tuple[bool, Any]:
    """(True, the function's value) or (False, what it raised), in a form that can be sent."""
    try:
        return True, function(job)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            return False, RuntimeError(f"{type(error).__name__} in a worker")
        return False, error


def main() -> None:
    """A worker's life. Its words: its end of the socket, its starter, its cores."""
    descriptor, starter, cores = sys.argv[1:]
    _die_with(int(starter))
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    # A shell starts what runs in its background with SIGINT ignored, and that is handed down.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        connection = Connection(int(descriptor))
        while True:
            connection.send(outcome_of(_unpacked, connection.recv_bytes()))
    except (EOFError, BrokenPipeError):
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _unpacked(work: bytes) -> Any:
    function, job = pickle.loads(work)
    return function(job)


def wait_for(workers: Sequence[Worker], seconds: float) -> None:
    """Until all have ended, or the time is over."""
    end = time.monotonic() + seconds
    while not all(worker.has_ended() for worker in workers) and time.monotonic() < end:
        time.sleep(0.05)


def _processor_seconds(pid: int) -> float:
    """Of all threads of a process, or 0 when there is none."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _marked(words: str) -> list[int]:
    """The processes of this user that have these words in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if words.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def _die_with(starter: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != starter:
        sys.exit(1)


@contextlib.contextmanager
def _opened(log: Path | None) -> Any:
    if log is None:
        yield subprocess.DEVNULL
        return
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file: IO[bytes]
    with log.open("ab") as file:
        yield file
