"""One run after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from clinpeft.launchers.base import Launcher


class Local(Launcher):
    """One run after the other, in this process, on all its cores."""

    title: ClassVar[str] = "one run after the other, in this process"

    def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
        return map(function, jobs)
