"""The processes of a run that is shared out over several: the one that was given the run leads, and starts the others.

All are on one machine. They train the same model on their shares of every batch (train/shares.py); scores, checkpoints
and everything that is written are the leader's. Where one fails or is killed all end.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch

from clinpeft.data.dataset import TaskDataset
from clinpeft.errors import ClinpeftError
from clinpeft.launchers._process import Worker, wait_for
from clinpeft.launchers.base import Lost
from clinpeft.models.catalogue import ResolvedModel
from clinpeft.models.load import ClinicalModel
from clinpeft.runs.setup import Ready, set_out
from clinpeft.spec import RunSpec
from clinpeft.train.interruption import SIGNALS
from clinpeft.train.loop import follow
from clinpeft.train.machine import num_processes
from clinpeft.train.meter import Meter
from clinpeft.train.shares import ALONE, Leading, Shares, join, leave
from clinpeft.train.state import digest_of_frozen

SECONDS_TO_GO = 5.0


class MateLost(ClinpeftError):
    """Another process of the run has ended before the run did."""

    def __init__(self, lost: Lost) -> None:
        super().__init__(lost.message)
        self.lost = lost


@dataclass(frozen=True)
class Asked:
    """What the other processes set up."""

    spec: RunSpec
    dataset: TaskDataset
    model: ResolvedModel
    pinned: Mapping[str, Any] | None
    """What the engine said of itself with which the run was begun, where it is gone on with."""


class Crew:
    """The other processes of a run, as its leader sees them; none where the run is this process's alone."""

    def __init__(self, size: int) -> None:
        self.size = size
        cores, gpus = sorted(os.sched_getaffinity(0)), _gpus() if size > 1 else []
        places = [{"CUDA_VISIBLE_DEVICES": gpus[rank % len(gpus)]} if gpus else {} for rank in range(1, size)]
        self.mates = [Worker(cores, place, None) for place in places]
        self.shares: Leading | None = None
        self._meeting: tempfile.TemporaryDirectory[str] | None = None
        """Where they find each other. It stays until the end: the others may still read it when the leader is done."""

    def set_up(self, asked: Asked) -> None:
        """Let the others load data and model, while this process does."""
        for mate in self.mates:
            mate.begin(_set_up, (asked, self.size))

    def join(self, model: ClinicalModel) -> Shares:
        """Begin together, once all are ready. Raises MateLost, and whatever another process raises."""
        if not self.mates:
            return ALONE
        frozen = digest_of_frozen(model)
        if any(self._answer(mate) != frozen for mate in self.mates):
            raise RuntimeError("the processes of a run do not have the same frozen weights")
        self._meeting = tempfile.TemporaryDirectory(prefix="clinpeft-")
        meeting = Path(self._meeting.name) / "meeting"
        for rank, mate in enumerate(self.mates, 1):
            mate.begin(_follow, (str(meeting), rank, self.size))
        self.shares = Leading(self.size, self._listen)
        try:
            join(meeting, 0, self.size)
        except RuntimeError:
            self._listen(SECONDS_TO_GO)
            raise
        return self.shares

    def part(self, meter: Meter) -> None:
        """Training is over: the others say what they have taken, which `meter` counts in, and go."""
        if self.shares is not None:
            self.shares.end()
            for mate in self.mates:
                meter.add_beside(**self._answer(mate))
        self.end()

    def end(self) -> None:
        """Nobody is left behind, whatever happened."""
        for mate in self.mates:
            mate.end()
        self.mates, self.shares = [], None
        leave()
        if self._meeting is not None:
            self._meeting.cleanup()
            self._meeting = None

    def _listen(self, seconds: float) -> None:
        connections = {mate.connection: mate for mate in self.mates}
        for connection in wait(list(connections), timeout=seconds):
            self._answer(connections[connection])  # type: ignore[index]
            raise RuntimeError("a process of the run has stopped before it was told to")

    def _answer(self, mate: Worker) -> Any:
        answer = mate.take()
        if answer is None:
            wait_for([mate], SECONDS_TO_GO)
            mate.end()
            why = mate.why()
            raise MateLost(Lost(why.code, f"one of its {self.size} processes: {why.message}"))
        went_well, value = answer
        if not went_well:
            raise value
        return value


@contextmanager
def crew_for(asked: Asked) -> Iterator[Crew]:
    """As many processes as the launcher says (`processes_per_run`), this one among them; the others end with the
    block."""
    crew = Crew(num_processes())
    try:
        crew.set_up(asked)
        yield crew
    finally:
        crew.end()


_READY: list[Ready] = []
"""In another process: what it has set up."""


def _set_up(job: tuple[Asked, int]) -> str:
    """In another process: set the run up, and say which frozen weights that gave."""
    # Whoever is to be interrupted is the leader, which ends this process; Slurm sends its signals to all.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    asked, size = job
    ready = set_out(asked.spec, asked.dataset, asked.model, pinned=asked.pinned, num_processes=size)
    _READY[:] = [ready]
    return digest_of_frozen(ready.training.model)


def _follow(place: tuple[str, int, int]) -> dict[str, float]:
    """In another process: compute shares until the leader says that it is enough; returns what that took."""
    meeting, rank, size = place
    (ready,) = _READY
    try:
        join(Path(meeting), rank, size)
        follow(ready.between_judgements, rank, size)
    finally:
        leave()  # Else a leader that waits for this process's gradient would not notice that it has failed.
    is_sharing = ready.training.engine.device.type == "cuda" and rank >= len(_gpus())
    return ready.meter.spent_beside(has_own_gpu=not is_sharing)


def _gpus() -> list[str]:
    """The names of this process's GPUs, as CUDA_VISIBLE_DEVICES wants them."""
    number = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return [name.strip() for name in named.split(",")][:number] if named else list(map(str, range(number)))
