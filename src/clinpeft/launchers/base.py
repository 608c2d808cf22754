"""The Launcher interface: a function, plain jobs, and what became of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen, parse_words
from clinpeft.registry import Registry

Function = Callable[[Any], Any]
"""Of a module, so that another process finds it by its name."""

CORES = "CLINPEFT_CORES"
"""The environment variable with which a launcher tells a process its share of a machine's cores."""
PROCESSES = "CLINPEFT_PROCESSES"
"""The one with which it tells the process of a run over how many, this one included, the run is to be shared out."""
SHARDS = "CLINPEFT_SHARDS"
"""The one with which it tells it, by a 1, that each of them is to hold a part of the frozen weights only."""


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


class SharingLauncher(Launcher):
    """A launcher that can share one run out over several processes of a machine."""

    processes_per_run: Annotated[int, Field(ge=1)] = 1
    """Processes that a run is shared out over, each with a part of every batch and of the run's cores; with GPUs, one a
    GPU."""
    shard_weights: bool = False
    """Whether each of them holds a part of the frozen weights only, for a model too large for one GPU; with GPUs, as
    many as processes."""

    @model_validator(mode="after")
    def _are_several(self) -> Self:
        if self.shard_weights and self.processes_per_run == 1:
            raise ValueError("shard_weights needs processes to share the weights out over: set processes_per_run too")
        return self

    def sharing(self) -> dict[str, str]:
        """The environment that says so to the process of a run; none for a run of one process."""
        if self.processes_per_run == 1:
            return {}
        return {PROCESSES: str(self.processes_per_run), **({SHARDS: "1"} if self.shard_weights else {})}


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
