"""Several processes on this machine, each on cores of its own, and on a GPU of its own where there are several."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from clinpeft.launchers._process import Worker, wait_for
from clinpeft.launchers.base import Ended, Function, Lost, SharingLauncher

GIGABYTES_A_WORKER = 4
"""Free memory that a worker is granted where nobody says how many there shall be."""
SECONDS_TO_STOP = 60.0
"""A worker that was interrupted finishes its step and writes a checkpoint."""
SECONDS_TO_GO = 5.0
"""A worker without jobs ends by itself."""
SECONDS_BETWEEN_LOOKS = 0.5
"""For workers that died or hang; one that has ended its job is heard at once."""

Place = tuple[tuple[int, ...], dict[str, str]]
"""A worker's cores, and what its environment says of GPUs."""


class Pool(SharingLauncher):
    """Runs side by side on this machine: each in a process of its own that another one's end does not touch."""

    title: ClassVar[str] = "runs side by side on this machine, each in a process with cores of its own"

    workers: Annotated[int, Field(ge=1)] | None = None
    """How many processes; by default one a GPU, or one a core as far as 4 GB of free memory are there for each."""
    cores: Annotated[int, Field(ge=1)] | None = None
    """Cores of each process, and by default its threads; the machine's, shared out evenly, if left out."""
    retries: Annotated[int, Field(ge=0)] = 1
    """How often a run whose process died is begun again, from its last checkpoint."""
    stall_seconds: Annotated[float, Field(gt=0)] = 900.0
    """A process that has a run and computes nothing for so long is ended: it hangs."""
    logs: str | None = None
    """Folder for what the processes print; by default it is thrown away, as libraries may print a note's text."""

    def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
        crew = _Crew(self, function, jobs)
        try:
            yield from crew.work()
        except BaseException:
            crew.stop()
            raise
        finally:
            crew.leave()

    def places(self, num_jobs: int) -> list[Place]:
        """Of each worker that so many jobs need."""
        cores, gpus = sorted(os.sched_getaffinity(0)), _gpus()
        each = self.processes_per_run
        number = self.workers or max(1, (len(gpus) or min(len(cores), _workers_in_memory())) // each)
        share = self.cores or max(1, len(cores) // number)
        places = []
        for worker in range(min(number, num_jobs)):
            own = tuple(cores[(worker * share + core) % len(cores)] for core in range(min(share, len(cores))))
            environment = self.sharing()
            if gpus:
                some = dict.fromkeys(gpus[(worker * each + gpu) % len(gpus)] for gpu in range(each))
                environment["CUDA_VISIBLE_DEVICES"] = ",".join(some)
            places.append((own, environment))
        return places


class _Crew:
    """The workers of one `map`, and which job each of them has."""

    def __init__(self, pool: Pool, function: Function, jobs: Sequence[Any]) -> None:
        self.pool, self.function, self.jobs = pool, function, jobs
        self.waiting = deque(range(len(jobs)))
        self.tries = [0] * len(jobs)
        self.idle = pool.places(len(jobs))
        self.busy: dict[Worker, tuple[int, Place]] = {}
        """The number of its job, and its place."""
        self.at_rest: list[tuple[Worker, Place]] = []

    def work(self) -> Iterator[Ended]:
        while self.waiting or self.busy:
            self._hand_out()
            spoke = wait([worker.connection for worker in self.busy], timeout=SECONDS_BETWEEN_LOOKS)
            for worker in list(self.busy):
                if worker.connection in spoke:
                    answer = worker.take()
                    ended = self._lost(worker) if answer is None else self._done(worker, *answer)
                else:
                    ended = self._look_at(worker)
                if ended is not None:
                    yield ended

    def stop(self) -> None:
        """Interrupt who is busy, once, and give them time; a second interrupt cuts that short."""
        for worker in self.busy:
            worker.interrupt()
        wait_for(list(self.busy), SECONDS_TO_STOP)

    def leave(self) -> None:
        """Nobody is left behind, whatever happened."""
        resting = [worker for worker, _ in self.at_rest]
        for worker in resting:
            worker.connection.close()
        try:
            wait_for(resting, SECONDS_TO_GO)
        finally:
            for worker in (*resting, *self.busy):
                worker.end()

    def _hand_out(self) -> None:
        while self.waiting and (self.at_rest or self.idle):
            number = self.waiting.popleft()
            worker, place = self.at_rest.pop() if self.at_rest else self._hire(self.idle.pop(0))
            self.tries[number] += 1
            self.busy[worker] = (number, place)
            worker.begin(self.function, self.jobs[number])

    def _hire(self, place: Place) -> tuple[Worker, Place]:
        cores, environment = place
        folder = self.pool.logs
        log = None if folder is None else Path(folder) / f"worker-{'-'.join(map(str, cores))}.log"
        return Worker(cores, environment, log), place

    def _done(self, worker: Worker, went_well: bool, value: Any) -> Ended:
        number, place = self.busy.pop(worker)
        self.at_rest.append((worker, place))
        if not went_well:
            raise value
        return Ended(number, value)

    def _look_at(self, worker: Worker) -> Ended | None:
        """A worker that has said nothing: it may have died, or hang."""
        if worker.has_ended():
            return self._lost(worker)
        if worker.seconds_still() < self.pool.stall_seconds:
            return None
        return self._lost(worker, Lost("killed", f"computed nothing for {self.pool.stall_seconds:g} s, and was ended"))

    def _lost(self, worker: Worker, why: Lost | None = None) -> Ended | None:
        """Its job is begun once more, or given up; its place is free."""
        number, place = self.busy.pop(worker)
        if why is None:
            wait_for([worker], SECONDS_TO_GO)
        worker.end()
        self.idle.append(place)
        if self.tries[number] <= self.pool.retries:
            self.waiting.appendleft(number)
            return None
        return Ended(number, lost=why or worker.why())


def _gpus() -> list[str]:
    """The names of this process's NVIDIA GPUs where there are several; one or none is everybody's."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        found = [name.strip() for name in named.split(",") if name.strip()]
    else:
        devices = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
        found = sorted((name for name in devices if name.isdigit()), key=int)
    return found if len(found) > 1 else []


def _workers_in_memory() -> int:
    import psutil

    return max(1, int(psutil.virtual_memory().available / 2**30 / GIGABYTES_A_WORKER))
