"""One run after the other, in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, ClassVar

from clinpeft.launchers.base import Ended, Function, Launcher


class Local(Launcher):
    """One run after the other, in this process, on all its cores."""

    title: ClassVar[str] = "one run after the other, in this process"

    def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
        return (Ended(number, function(job)) for number, job in enumerate(jobs))
