"""Jobs of a Slurm cluster, submitted as an array by submitit.

What submitit writes (pickles of jobs and values, and what the jobs print) lies in a private folder outside the study's,
on a file system that the nodes share. Nothing is resumed from it: a job that Slurm starts again is the same job, and
goes on from the study's own checkpoints.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.launchers._process import outcome_of
from clinpeft.launchers.base import CORES, Ended, Function, Lost, SharingLauncher

LIVING = frozenset(
    {
        *(
            "PENDING",
            "CONFIGURING",
            "RUNNING",
            "COMPLETING",
            "SUSPENDED",
            "STOPPED",
            "SIGNALING",
            "STAGE_OUT",
            "RESIZING",
        ),
        *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"),
    }
)
"""States from which a job may still give its value."""
UNFINISHED = frozenset({"TIMEOUT", "DEADLINE", "PREEMPTED"})
"""States of a job that Slurm ended and that did not get back to the queue in time; nothing is wrong with it."""
CODES = {"OUT_OF_MEMORY": "oom_host", "NODE_FAIL": "node_lost", "BOOT_FAIL": "node_lost"}
SECONDS_TO_SETTLE = 10.0
"""Between a job's end and the arrival of its file here, or its return to the queue."""
SECONDS_TO_STOP = 120.0
MOST_RESTARTS = 1000
"""Of one job; one that never gets to a checkpoint must end some day."""


def _one_line(value: str) -> str:
    if not value.isprintable() or not value:
        raise ValueError("must be one line of printable letters")
    return value


Name = Annotated[str, AfterValidator(_one_line)]


class Slurm(SharingLauncher):
    """An array of Slurm jobs, one a run, submitted from here; this process waits for them."""

    title: ClassVar[str] = "jobs of a Slurm cluster, one a run"

    workers: Annotated[int, Field(ge=1)] | None = None
    """How many runs at once at most."""
    partition: Name | None = None
    """Slurm's partition; its default one if left out, like the next three."""
    account: Name | None = None
    """Slurm's account."""
    qos: Name | None = None
    """Slurm's quality of service."""
    constraint: Name | None = None
    """Features that a node must have."""
    time: Annotated[int, Field(ge=1)] = 240
    """Minutes that Slurm gives a job; a run that needs more is requeued and goes on from its checkpoint."""
    cpus: Annotated[int, Field(ge=1)] = 4
    """Cores of a run, and by default its threads."""
    mem: Annotated[float, Field(gt=0)] | None = None
    """Gigabytes of memory of a run."""
    gpus: Annotated[int, Field(ge=1)] | None = None
    """GPUs of a run."""
    grace: Annotated[int, Field(ge=1)] = 90
    """Seconds before the time limit at which a run is told to write a checkpoint."""
    retries: Annotated[int, Field(ge=0)] = 1
    """How often a run is submitted again whose job ended without a record."""
    poll: Annotated[float, Field(gt=0)] = 5.0
    """Seconds between two looks at the queue."""
    folder: str | None = None
    """Where submitit keeps its files, seen by all nodes; by default below the user's cache folder."""

    def ready(self) -> None:
        """Raises BadInput when submitit is not installed, or this machine submits no jobs; EnvironmentStop when Slurm
        does not answer."""
        if find_spec("submitit") is None:
            raise BadInput(
                "launcher 'slurm'", "needs submitit, which is not installed", "pip install 'clinpeft[slurm]'"
            )
        if shutil.which("sbatch") is None:
            raise BadInput("launcher 'slurm'", "no `sbatch` is on this machine", "log in where jobs are submitted")
        if _tell("sinfo", "--noheader", "--format=%P") is None:
            raise EnvironmentStop("Slurm does not answer on this machine (`sinfo` fails)")

    def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
        if not jobs:
            return
        queue = _Queue(self, function, jobs)
        try:
            yield from queue.work()
        except BaseException:
            queue.stop()
            raise
        finally:
            queue.leave()


class _Queue:
    """The jobs of one `map`, as Slurm knows them."""

    def __init__(self, slurm: Slurm, function: Function, jobs: Sequence[Any]) -> None:
        self.slurm, self.function, self.jobs = slurm, function, jobs
        self.folder = _private_folder(slurm.folder)
        self.submitted: dict[int, Any] = {}
        """submitit's job of each number that has not ended."""
        self.tries = dict.fromkeys(range(len(jobs)), 0)
        self.missed: dict[int, float] = {}
        """Since when a job is neither in the queue nor has left a value."""
        self.keeps_folder = False

    def work(self) -> Iterator[Ended]:
        self._submit(list(range(len(self.jobs))))
        while self.submitted:
            states = self._states()
            for number, job in list(self.submitted.items()):
                if job.paths.result_pickle.exists():
                    yield self._done(number)
                elif states is not None and (ended := self._look_at(number, states.get(job.job_id, ""))) is not None:
                    yield ended
            if self.submitted:
                time.sleep(self.slurm.poll)

    def stop(self) -> None:
        """What waits is taken back, what runs is interrupted once; a second interrupt cuts the wait short."""
        ids = [job.job_id for job in self.submitted.values()]
        if not ids:
            return
        _tell("scancel", "--state=PENDING", *ids)
        _tell("scancel", "--signal=INT", *ids)
        end = time.monotonic() + SECONDS_TO_STOP
        while time.monotonic() < end:
            states = self._states() or {}
            if not any(states.get(name) in LIVING for name in ids):
                return
            time.sleep(min(1.0, self.slurm.poll))

    def leave(self) -> None:
        if ids := [job.job_id for job in self.submitted.values()]:
            _tell("scancel", *ids)
        if not self.keeps_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _submit(self, numbers: list[int]) -> None:
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        executor = submitit.SlurmExecutor(folder=self.folder)
        slurm = self.slurm
        asked = {
            "partition": slurm.partition,
            "account": slurm.account,
            "qos": slurm.qos,
            "constraint": slurm.constraint,
            "mem": slurm.mem,
            "gpus_per_node": slurm.gpus,
            "array_parallelism": slurm.workers,
        }
        executor.update_parameters(
            job_name="clinpeft",
            time=slurm.time,
            cpus_per_task=slurm.cpus,
            signal_delay_s=slurm.grace,
            additional_parameters={"requeue": True},
            # Since Slurm 22.05 a step does not get its job's cores unless it asks for them.
            srun_args=[f"--cpus-per-task={slurm.cpus}"],
            **{name: value for name, value in asked.items() if value is not None},
        )
        try:
            submitted = executor.map_array(
                InAJob(),
                [self.function] * len(numbers),
                [self.jobs[number] for number in numbers],
                [slurm.sharing()] * len(numbers),
            )
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            # What sbatch took all the same finds no file that says what to do, and ends.
            words = str(error).splitlines() or [type(error).__name__]
            raise EnvironmentStop(f"Slurm did not take the jobs: {words[-1]}") from None
        for number, job in zip(numbers, submitted, strict=True):
            self.submitted[number] = job
            self.tries[number] += 1

    def _states(self) -> dict[str, str] | None:
        """Slurm's state of each of the user's jobs, by its id; None when Slurm does not answer."""
        answer = _tell("squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i %T")
        if answer is None:
            return None
        return dict(line.split(maxsplit=1) for line in answer.splitlines() if " " in line)

    def _done(self, number: int) -> Ended:
        self.missed.pop(number, None)
        went_well, value = self.submitted.pop(number).result()
        if not went_well:
            raise value
        return Ended(number, value)

    def _look_at(self, number: int, state: str) -> Ended | None:
        if state in LIVING:
            self.missed.pop(number, None)
            return None
        since = self.missed.setdefault(number, time.monotonic())
        if time.monotonic() - since < SECONDS_TO_SETTLE:
            return None
        del self.missed[number], self.submitted[number]
        most = MOST_RESTARTS if state in UNFINISHED else self.slurm.retries
        if state != "CANCELLED" and self.tries[number] <= most:
            self._submit([number])
            return None
        self.keeps_folder = True
        code: Any = CODES.get(state, "killed")
        return Ended(number, lost=Lost(code, f"its Slurm job ended as {state}" if state else "Slurm forgot its job"))


class InAJob:
    """What submitit calls on a node, and begins anew where a job is told to stop before it got there."""

    def __call__(self, function: Function, job: Any, environment: Mapping[str, str]) -> tuple[bool, Any]:
        return _in_a_job(function, job, environment)

    def checkpoint(self, *arguments: Any) -> Any:
        """submitit's word for: go back to the queue with this. Without it the job would be an error."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


def _in_a_job(function: Function, job: Any, environment: Mapping[str, str]) -> tuple[bool, Any]:
    """On a node: do the job; told to stop, let it come to an end, and go back to the queue."""
    os.environ[CORES] = os.environ.get("SLURM_CPUS_PER_TASK", "1")
    os.environ.update(environment)
    told: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        # The time limit sends one and then the other; to the job it is one interrupt.
        told.append(number)
        if len(told) == 1:
            signal.raise_signal(signal.SIGINT)

    time_is_up = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, time_is_up):
        signal.signal(number, interrupt)
    try:
        return outcome_of(function, job)
    except (KeyboardInterrupt, SystemExit):
        if told:
            _back_to_the_queue()
        raise


def _back_to_the_queue() -> None:
    """A job at its time limit, or that has to make room, would else count as failed when it ends in time.

    One that was cancelled or requeued meanwhile is not running any more for Slurm.
    """
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    state = _tell("squeue", "--noheader", "--states=all", f"--jobs={name}", "--format=%T")
    if (state or "").strip() == "RUNNING" and int(os.environ.get("SLURM_RESTART_COUNT", "0")) < MOST_RESTARTS:
        _tell("scontrol", "requeue", name)


def _tell(*words: str) -> str | None:
    """What a command of Slurm's prints; None when it failed, or did not come back."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _private_folder(named: str | None) -> Path:
    """A new folder of mode 0700."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    parent = Path(named).expanduser().resolve() if named else Path(cache) / "clinpeft" / "slurm"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Path(tempfile.mkdtemp(dir=parent))
