"""Tasks of a Ray cluster: one that is there, or a local one for as long as it is needed.

Ray hands out jobs and starts them again; what it remembers is never read again. A cluster of our own listens on the
loopback only, asks for a token, has no dashboard and reports nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar

from pydantic import Field

from clinpeft.errors import BadInput
from clinpeft.launchers._process import outcome_of
from clinpeft.launchers._ray_cluster import (
    CLUSTERS,
    MODE,
    TOKEN,
    ClusterGone,
    Watch,
    connected,
    gone_is_a_stop,
    knows_a_token,
    was_told,
)
from clinpeft.launchers.base import CORES, Ended, Function, Lost, SharingLauncher

SECONDS_TO_STOP = 60.0
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
        if "ray" in sys.modules and not was_told(is_ours=self.address is None):
            raise BadInput(
                "launcher 'ray'",
                "Ray was imported here before it was told to ask for tokens and where to listen",
                f"set {MODE}=token" + (f" and {CLUSTERS}=0" if self.address is None else "") + " before it is imported",
            )
        if self.address is not None and not knows_a_token():
            raise BadInput(
                "launcher 'ray'",
                "the token of the cluster is not known here",
                f"put it into ~/.ray/auth_token (`ray get-auth-token`), or into {TOKEN}",
            )

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """The connection to the cluster, or a cluster for the time being."""
        with connected(self.address, self.retries):
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

        with gone_is_a_stop():
            watch = Watch()
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


def _in_a_task(function: Function, job: Any, cpus: int, environment: Mapping[str, str]) -> tuple[bool, Any]:
    """In a process of Ray's: do the job."""
    os.environ.update(environment)
    os.environ[CORES] = str(cpus)
    return outcome_of(function, job)
