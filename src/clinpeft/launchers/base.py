"""The Launcher interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from clinpeft.frozen import Frozen
from clinpeft.registry import Registry


class Launcher(Frozen):
    """A way to get jobs done: one file in `clinpeft/launchers/`, found by its name."""

    title: ClassVar[str]

    def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
        """`function` of every job, in the order of the jobs; nothing is lost or done twice."""
        raise NotImplementedError


LAUNCHERS: Registry[Launcher] = Registry("launcher", "clinpeft.launchers", Launcher)
