"""One run after the other, in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, ClassVar

from clinpeft.launchers.base import PROCESSES, SHARDS, Ended, Function, SharingLauncher, telling


class Local(SharingLauncher):
    """One run after the other, in this process, on all its cores."""

    title: ClassVar[str] = "one run after the other, in this process"

    def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
        for number, job in enumerate(jobs):
            with telling(PROCESSES, self.processes_per_run), telling(SHARDS, int(self.shard_weights)):
                value = function(job)
            yield Ended(number, value)
