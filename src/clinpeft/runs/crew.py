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
from clinpeft.runs.setup import set_out
from clinpeft.spec import RunSpec
from clinpeft.train.interruption import SIGNALS
from clinpeft.train.loop import follow
from clinpeft.train.machine import num_processes, shards_weights
from clinpeft.train.meter import Meter
from clinpeft.train.sharding import Wait, are_equal, shard_frozen, tell_of_passes
from clinpeft.train.shares import ALONE, Leading, Shares, join, leave
from clinpeft.train.state import digest_of_frozen

SECONDS_TO_GO = 5.0
SECONDS_BETWEEN_LOOKS = 0.05
"""For those that are still loading."""
MEETING, READY = "meeting", "ready-{}"
"""Files of the place where the processes find each other: torch's, and what each of the others leaves when it has
loaded."""


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


@dataclass(frozen=True)
class Berth:
    """One of the other processes' place among them."""

    rank: int
    size: int
    meeting: Path
    is_sharded: bool
    has_own_gpu: bool


class Crew:
    """The other processes of a run, as its leader sees them; none where the run is this process's alone."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.shares: Shares = ALONE
        cores, gpus = sorted(os.sched_getaffinity(0)), _gpus() if size > 1 else []
        self._num_gpus = len(gpus)
        places = [{"CUDA_VISIBLE_DEVICES": gpus[rank % len(gpus)]} if gpus else {} for rank in range(1, size)]
        self.mates = [Worker(cores, place, None) for place in places]
        self.is_sharded = size > 1 and shards_weights() and (not gpus or len(gpus) >= size)
        """Whether each holds a part of the frozen weights. On one GPU together they would save nothing."""
        self._meeting: tempfile.TemporaryDirectory[str] | None = None
        """Where they find each other. It stays until the end: the others may still read it when the leader is done."""

    def set_up(self, asked: Asked) -> None:
        """Let the others load data and model, while this process does."""
        if self.mates:
            self._meeting = tempfile.TemporaryDirectory(prefix="clinpeft-")
            for rank, mate in enumerate(self.mates, 1):
                meeting, has_own_gpu = Path(self._meeting.name), rank < self._num_gpus
                mate.begin(_work, (asked, Berth(rank, self.size, meeting, self.is_sharded, has_own_gpu)))

    def place(self, model: ClinicalModel, device: torch.device) -> None:
        """Put the model, or this process's part of it, onto the device, once all have loaded theirs; from then on
        `shares` is what they do together. Raises MateLost, and whatever another process raises."""
        if self._meeting is None:
            model.to(device)
            return
        meeting = Path(self._meeting.name)
        while not all((meeting / READY.format(rank)).exists() for rank in range(1, self.size)):
            self.hear(SECONDS_BETWEEN_LOOKS)
        lead = Leading(self.size, self.hear, is_in_step=self.is_sharded)
        join(meeting / MEETING, 0, self.size)
        _place(model, device, self.is_sharded, lead.wait)
        if self.is_sharded:
            tell_of_passes(model, lead.call_along)
        self.shares = lead

    def part(self, meter: Meter) -> None:
        """The others are no longer needed: they say what they have taken, which `meter` counts in, and go."""
        if isinstance(self.shares, Leading):
            under_way = self.shares.end()
            for mate in self.mates:
                meter.add_beside(**self._answer(mate))
            del under_way  # All have had it.
        self.end()

    def end(self) -> None:
        """Nobody is left behind, whatever happened."""
        for mate in self.mates:
            mate.end()
        self.mates, self.shares = [], ALONE
        leave()
        if self._meeting is not None:
            self._meeting.cleanup()
            self._meeting = None

    def hear(self, seconds: float) -> None:
        """For so long at most; raises what has befallen another process."""
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
    except RuntimeError as error:
        if crew.mates and not isinstance(error, torch.OutOfMemoryError):
            # That another process's connection is lost is noticed before what that has to say.
            crew.hear(SECONDS_TO_GO)
        raise
    finally:
        crew.end()


def _work(job: tuple[Asked, Berth]) -> dict[str, float]:
    """In another process: set the run up and compute shares until the leader says that it is enough; returns what that
    took."""
    # Whoever is to be interrupted is the leader, which ends this process; Slurm sends its signals to all.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    asked, berth = job
    rank, size = berth.rank, berth.size

    def place(model: ClinicalModel, device: torch.device) -> None:
        (berth.meeting / READY.format(rank)).touch()
        join(berth.meeting / MEETING, rank, size)
        _place(model, device, berth.is_sharded, torch.distributed.Work.wait)

    try:
        ready = set_out(asked.spec, asked.dataset, asked.model, pinned=asked.pinned, num_processes=size, place=place)
        follow(ready.between_judgements, rank, size)
    finally:
        leave()  # Else a leader that waits for this process's gradient would not notice that it has failed.
    has_none_to_share = ready.training.engine.device.type != "cuda"
    return ready.meter.spent_beside(has_own_gpu=berth.has_own_gpu or has_none_to_share)


def _place(model: ClinicalModel, device: torch.device, is_sharded: bool, wait: Wait) -> None:
    """In each process that has met the others. Raises RuntimeError where their frozen weights differ."""
    digest = digest_of_frozen(model)
    if not are_equal(digest):
        raise RuntimeError("the processes of a run do not have the same frozen weights")
    if is_sharded:
        shard_frozen(model, device, digest, wait)
    else:
        model.to(device)


def _gpus() -> list[str]:
    """The names of this process's GPUs, as CUDA_VISIBLE_DEVICES wants them."""
    number = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return [name.strip() for name in named.split(",")][:number] if named else list(map(str, range(number)))
