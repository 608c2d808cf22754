"""What every launcher promises."""

from __future__ import annotations

import tempfile
from pathlib import Path

from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.launchers.base import Launcher
from clinpeft.testing._rules import CheckResult, Rule, empty_attributes, results

NUM_JOBS = 7


def check_launcher(entry: type[Launcher]) -> list[CheckResult]:
    """The promises of a launcher, on a few jobs that take no time; they are done where the launcher does jobs.

    On a machine that lacks what it needs, only what can be seen without doing any.
    """
    seen = results(entry, SEEN_RULES)
    return [*seen, *results(entry, DONE_RULES)] if all(result.passed for result in seen) and _is_ready(entry) else seen


def _says_what_it_is(entry: type[Launcher]) -> str | None:
    return empty_attributes(entry, ["title"]) or ("its title has two lines" if "\n" in entry.title else None)


def _is_made_without_options(entry: type[Launcher]) -> str | None:
    entry()
    return None


def _documents_every_option(entry: type[Launcher]) -> str | None:
    bare = [name for name, field in entry.model_fields.items() if not field.description]
    return f"no text under option {', '.join(bare)}" if bare else None


def _says_on_purpose_what_is_missing(entry: type[Launcher]) -> str | None:
    _is_ready(entry)
    return None


def _gives_every_job_its_own_value(entry: type[Launcher]) -> str | None:
    found = sorted((ended.number, ended.value) for ended in entry().map(_doubled, range(NUM_JOBS)))
    return None if found == [(job, 2 * job) for job in range(NUM_JOBS)] else "a value is missing, wrong or given twice"


def _does_every_job_once(entry: type[Launcher]) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        # Done twice, a job finds its file there already.
        list(entry().map(_touched, [str(Path(folder) / str(job)) for job in range(NUM_JOBS)]))
        num_done = sum(1 for _ in Path(folder).iterdir())
    return None if num_done == NUM_JOBS else f"{num_done} of {NUM_JOBS} jobs done"


def _does_nothing_without_jobs(entry: type[Launcher]) -> str | None:
    return None if list(entry().map(_doubled, [])) == [] else "values without jobs"


def _passes_an_exception_on(entry: type[Launcher]) -> str | None:
    try:
        list(entry().map(_refused_at_three, range(NUM_JOBS)))
    except BadInput as error:
        return None if str(error) == "job 3: is refused; leave it out" else "a job's exception loses its words"
    return "a job's exception is swallowed"


SEEN_RULES: tuple[Rule[Launcher], ...] = (
    _says_what_it_is,
    _is_made_without_options,
    _documents_every_option,
    _says_on_purpose_what_is_missing,
)
DONE_RULES: tuple[Rule[Launcher], ...] = (
    _gives_every_job_its_own_value,
    _does_every_job_once,
    _does_nothing_without_jobs,
    _passes_an_exception_on,
)


def _is_ready(entry: type[Launcher]) -> bool:
    try:
        entry().ready()
    except (BadInput, EnvironmentStop):
        return False
    return True


# Functions of the module, since a launcher may send them to another process.
def _doubled(job: int) -> int:
    return 2 * job


def _touched(job: str) -> None:
    Path(job).touch(exist_ok=False)


def _refused_at_three(job: int) -> None:
    if job == 3:
        raise BadInput("job 3", "is refused", "leave it out")
