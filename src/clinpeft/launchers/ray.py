"""Tasks of a Ray cluster: one that is there, or a local one for as long as it is needed.

Ray hands out jobs and starts them again; what it remembers is never read again. A cluster of our own listens on the
loopback only, asks for a token, has no dashboard and reports nothing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.launchers._process import outcome_of
from clinpeft.launchers.base import CORES, Ended, Function, Lost, SharingLauncher

SECONDS_TO_STOP = 60.0
SECONDS_TO_COME_BACK = 15.0
"""For a head or raylet that takes no connection. Left to itself Ray (2.60) ends this process a minute after the head
has died, and waits for ever when the raylet has."""
TOKEN, MODE = "RAY_AUTH_TOKEN", "RAY_AUTH_MODE"
CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Without clusters Ray listens on the loopback; else on every address, whatever address it is given (2.60)."""
PASSED_ON = ("CLINPEFT_", "HF_")
"""How the names of the variables begin that a task finds as they are here."""
PER_CORE = 2
"""Tasks that Ray is given at a time, for every core of the cluster."""


class Ray(SharingLauncher):
    """A task of Ray's for every run, on a cluster that is there or on a local one; this process waits for them."""

    title: ClassVar[str] = "tasks of a Ray cluster, one a run"

    address: str | None = None
    """Of the cluster's head (`host:6379`, or `auto`); a local cluster is started if left out."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """How many runs at once at most."""
    cpus: Annotated[int, Field(ge=1)] = 1
    """Cores of a run, and by default its threads."""
    gpus: Annotated[float, Field(gt=0)] | None = None
    """GPUs of a run; may be a part of one."""
    mem: Annotated[float, Field(gt=0)] | None = None
    """Gigabytes of memory of a run, for Ray to share out."""
    retries: Annotated[int, Field(ge=0)] = 1
    """How often a run whose process or node died is begun again, from its last checkpoint."""

    def ready(self) -> None:
        """Raises BadInput when Ray is not installed, or a cluster's token is not known here."""
        if find_spec("ray") is None:
            raise BadInput("launcher 'ray'", "needs Ray, which is not installed", "pip install 'clinpeft[ray]'")
        if "ray" in sys.modules and not _was_told(is_ours=self.address is None):
            raise BadInput(
                "launcher 'ray'",
                "Ray was imported here before it was told to ask for tokens and where to listen",
                f"set {MODE}=token" + (f" and {CLUSTERS}=0" if self.address is None else "") + " before it is imported",
            )
        if self.address is not None and not _knows_a_token():
            raise BadInput(
                "launcher 'ray'",
                "the token of the cluster is not known here",
                f"put it into ~/.ray/auth_token (`ray get-auth-token`), or into {TOKEN}",
            )

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """The connection to the cluster, or a cluster for the time being."""
        with _connected(self.address, self.retries):
            yield

    def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
        if not jobs:
            return
        with self.opened():
            tasks = _Tasks(self, function, jobs)
            try:
                yield from tasks.work()
            except ClusterGone:
                raise
            except BaseException:
                tasks.stop()
                raise


class _Tasks:
    """The tasks of one `map`."""

    def __init__(self, options: Ray, function: Function, jobs: Sequence[Any]) -> None:
        import ray

        self.options, self.function, self.jobs = options, function, jobs
        self.waiting = deque(range(len(jobs)))
        self.running: dict[Any, int] = {}
        self.limit = options.workers or max(PER_CORE, PER_CORE * int(ray.cluster_resources().get("CPU", 1)))
        asked = {"num_gpus": options.gpus, "memory": options.mem and int(options.mem * 1e9)}
        self.remote = ray.remote(_in_a_task).options(
            num_cpus=options.cpus,
            max_retries=options.retries,
            retry_exceptions=False,
            **{name: value for name, value in asked.items() if value},
        )
        self.environment = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        self.environment |= options.sharing()

    def work(self) -> Iterator[Ended]:
        import ray

        with _cluster_gone_is_a_stop():
            watch = _Watch()
            while self.waiting or self.running:
                watch.look()
                while self.waiting and len(self.running) < self.limit:
                    number = self.waiting.popleft()
                    task = self.remote.remote(self.function, self.jobs[number], self.options.cpus, self.environment)
                    self.running[task] = number
                for task in ray.wait(list(self.running), timeout=1.0)[0]:
                    yield self._ended(task)

    def stop(self) -> None:
        """Interrupt every task once and wait; a second interrupt ends them."""
        import ray

        if not self.running or not ray.is_initialized():
            return
        try:
            for task in self.running:
                ray.cancel(task)
            ray.wait(list(self.running), num_returns=len(self.running), timeout=SECONDS_TO_STOP)
        finally:
            for task in self.running:
                with contextlib.suppress(Exception):
                    ray.cancel(task, force=True)

    def _ended(self, task: Any) -> Ended:
        import ray
        from ray import exceptions

        number = self.running.pop(task)
        try:
            went_well, value = ray.get(task)
        except exceptions.OutOfMemoryError:
            return Ended(number, lost=Lost("oom_host", "Ray ended its process, as the memory of its node ran out"))
        except exceptions.NodeDiedError:
            return Ended(number, lost=Lost("node_lost", "its node died"))
        except (exceptions.WorkerCrashedError, exceptions.LocalRayletDiedError, exceptions.TaskCancelledError):
            return Ended(number, lost=Lost("killed", "its process ended before it did"))
        if not went_well:
            raise value
        return Ended(number, value)


class _Watch:
    """Looks whether the cluster's head, and the raylet through which this process speaks to it, are there."""

    def __init__(self) -> None:
        import ray

        context = ray.get_runtime_context()
        (node,) = [node for node in ray.nodes() if node["NodeID"] == context.get_node_id()]
        self.places = {"head": context.gcs_address, "raylet": f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"}
        self._there = time.monotonic()

    def look(self) -> None:
        """Raises ClusterGone when one of them has taken no connection for a while."""
        silent = [f"its {name} ({place})" for name, place in self.places.items() if not _takes_connections(place)]
        if not silent:
            self._there = time.monotonic()
        elif time.monotonic() - self._there > SECONDS_TO_COME_BACK:
            raise ClusterGone(
                f"the Ray cluster is gone: {silent[0]} does not answer; the same command goes on with another"
            )


class ClusterGone(EnvironmentStop):
    """Nothing more can be asked of the cluster."""


def _takes_connections(place: str) -> bool:
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_COME_BACK):
            return True
    except OSError:
        return False


def _in_a_task(function: Function, job: Any, cpus: int, environment: Mapping[str, str]) -> tuple[bool, Any]:
    """In a process of Ray's: do the job."""
    os.environ.update(environment)
    os.environ[CORES] = str(cpus)
    return outcome_of(function, job)


@contextlib.contextmanager
def _connected(address: str | None, retries: int) -> Iterator[None]:
    """A connection to a cluster, or a cluster for the time being; one that the caller has already is used as it is."""
    with _environment(is_ours=address is None, retries=retries), _own_handler():
        import ray

        if ray.is_initialized():
            yield
            return
        folder = tempfile.mkdtemp(prefix="ray-")
        ours: dict[str, Any] = {"include_dashboard": False, "_temp_dir": folder}
        options = ours if address is None else {"address": address}
        try:
            try:
                ray.init(log_to_driver=False, logging_level="ERROR", **options)
            except (ray.exceptions.RayError, OSError, RuntimeError) as error:
                raise EnvironmentStop(f"no connection to a Ray cluster ({type(error).__name__})") from None
            yield
        finally:
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _environment(*, is_ours: bool, retries: int) -> Iterator[None]:
    """What Ray reads from the environment while it is connected."""
    wanted = {
        MODE: "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        # A task that needs more memory than there is would be begun again for ever.
        "RAY_task_oom_retries": str(retries),
    }
    if is_ours:
        wanted[CLUSTERS] = "0"
        # Ray would let its processes give way to all others, by 15 steps of niceness.
        wanted["RAY_worker_niceness"] = "0"
        if not _knows_a_token():
            wanted[TOKEN] = _own_token()
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _own_handler() -> Iterator[None]:
    """Ray sets a handler of its own for SIGTERM; ours stays."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        import ray

        _ = ray.__version__
        _restore(before)
        yield
    finally:
        _restore(before)


def _restore(handler: Any) -> None:
    with contextlib.suppress(ValueError):  # not in the main thread, where Ray sets none either
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _cluster_gone_is_a_stop() -> Iterator[None]:
    from ray import exceptions

    try:
        yield
    except (exceptions.RayError, ConnectionError, TimeoutError) as error:
        raise EnvironmentStop(f"the Ray cluster does not answer ({type(error).__name__})") from None


def _was_told(*, is_ours: bool) -> bool:
    """Whether Ray, which reads this once, at its import, asks for tokens and (for a cluster of ours) stays here."""
    from ray._private import ray_constants
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    return bool(is_token_auth_enabled()) and ray_constants.ENABLE_RAY_CLUSTER is not is_ours


@cache
def _own_token() -> str:
    """One for the life of this process: Ray reads it once."""
    return secrets.token_hex(32)


def _knows_a_token() -> bool:
    if os.environ.get(TOKEN):
        return True
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token").is_file()
