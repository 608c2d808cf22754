"""What every launcher promises."""

from __future__ import annotations

import tempfile
from pathlib import Path

from clinpeft.launchers.base import Launcher
from clinpeft.testing._rules import CheckResult, Rule, empty_attributes, results

NUM_JOBS = 7


def check_launcher(entry: type[Launcher]) -> list[CheckResult]:
    """The promises of a launcher, on a few jobs that take no time; they are done where the launcher does jobs."""
    return results(entry, LAUNCHER_RULES)


def _says_what_it_is(entry: type[Launcher]) -> str | None:
    return empty_attributes(entry, ["title"]) or ("its title has two lines" if "\n" in entry.title else None)


def _is_made_without_options(entry: type[Launcher]) -> str | None:
    entry()
    return None


def _gives_results_in_the_order_of_the_jobs(entry: type[Launcher]) -> str | None:
    found = list(entry().map(_doubled, range(NUM_JOBS)))
    return None if found == [2 * job for job in range(NUM_JOBS)] else "other results, or in another order"


def _does_every_job_once(entry: type[Launcher]) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        # Done twice, a job finds its file there already.
        list(entry().map(_touched, [Path(folder) / str(job) for job in range(NUM_JOBS)]))
        num_done = sum(1 for _ in Path(folder).iterdir())
    return None if num_done == NUM_JOBS else f"{num_done} of {NUM_JOBS} jobs done"


def _does_nothing_without_jobs(entry: type[Launcher]) -> str | None:
    return None if list(entry().map(_doubled, [])) == [] else "results without jobs"


def _passes_an_exception_on(entry: type[Launcher]) -> str | None:
    try:
        list(entry().map(_refused_at_three, range(NUM_JOBS)))
    except LookupError:
        return None
    return "a job's exception is swallowed"


LAUNCHER_RULES: tuple[Rule[Launcher], ...] = (
    _says_what_it_is,
    _is_made_without_options,
    _gives_results_in_the_order_of_the_jobs,
    _does_every_job_once,
    _does_nothing_without_jobs,
    _passes_an_exception_on,
)


# Functions of the module, since a launcher may send them to another process.
def _doubled(job: int) -> int:
    return 2 * job


def _touched(job: Path) -> None:
    job.touch(exist_ok=False)


def _refused_at_three(job: int) -> None:
    if job == 3:
        raise LookupError("the third job")
