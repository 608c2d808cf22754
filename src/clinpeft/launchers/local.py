"""One run after the other, in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from clinpeft.launchers.base import PROCESSES, Ended, Function, Launcher, telling


class Local(Launcher):
    """One run after the other, in this process, on all its cores."""

    title: ClassVar[str] = "one run after the other, in this process"

    processes_per_run: Annotated[int, Field(ge=1)] = 1
    """Processes that a run is shared out over, each with a part of every batch and of the run's cores; with GPUs, one a
    GPU."""

    def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
        for number, job in enumerate(jobs):
            with telling(PROCESSES, self.processes_per_run):
                value = function(job)
            yield Ended(number, value)
