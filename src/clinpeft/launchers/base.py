"""The Launcher interface: a function, plain jobs, and what became of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen, parse_words
from clinpeft.registry import Registry

Function = Callable[[Any], Any]
"""Of a module, so that another process finds it by its name."""

CORES = "CLINPEFT_CORES"
"""The environment variable with which a launcher tells a process its share of a machine's cores."""
PROCESSES = "CLINPEFT_PROCESSES"
"""The one with which it tells the process of a run over how many, this one included, the run is to be shared out."""


@dataclass(frozen=True)
class Lost:
    """Why a job has no value: the process or machine that did it ended before the job did."""

    code: Literal["killed", "oom_host", "node_lost"]
    message: str


@dataclass(frozen=True)
class Ended:
    """A job that has ended: its number among the jobs, from 0, and what the function gave, or why nothing came."""

    number: int
    value: Any = None
    lost: Lost | None = None


class Launcher(Frozen):
    """A way to get jobs done: one file in `clinpeft/launchers/`, found by its name. Its fields are its options."""

    title: ClassVar[str]

    def ready(self) -> None:
        """Raises BadInput when this machine lacks what the launcher needs."""

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Holds what several calls of `map` can share, where a launcher has such a thing; none needs it."""
        yield

    def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
        """`function` of every job, as they end; every number comes once.

        Jobs and values are small and plain (what JSON holds). What `function` raises is raised here, and no further
        job is begun. Where the caller stops early or is interrupted, the jobs under way get SIGINT once and the time
        to come to an end; a second interrupt ends them at once.
        """
        raise NotImplementedError


@contextmanager
def telling(name: str, value: int) -> Iterator[None]:
    """In this block the environment variable has that value."""
    before = os.environ.get(name)
    os.environ[name] = str(value)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


LAUNCHERS: Registry[Launcher] = Registry("launcher", "clinpeft.launchers", Launcher)


def launcher_of(name: str, options: Mapping[str, str]) -> Launcher:
    """The launcher `name` with options as words (`time=30`). Raises UnknownName, or BadInput for an option."""
    entry = LAUNCHERS.get(name)
    if "workers" in options and "workers" not in entry.model_fields:
        raise BadInput("--workers", f"launcher '{name}' has no workers", "`--launcher pool` has")
    return parse_words(entry, dict(options), f"launcher '{name}'")
