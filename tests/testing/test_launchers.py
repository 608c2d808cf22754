"""A launcher that loses, repeats or reorders jobs fails the check that names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from clinpeft.launchers.base import Launcher
from clinpeft.testing import CheckResult, check_launcher


def broken(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if not result.passed}


class Pooled(Launcher):
    """Several jobs at once: a launcher that keeps every promise."""

    title: ClassVar[str] = "a few threads"

    def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(function, jobs)


def test_a_sound_launcher_passes_every_check() -> None:
    assert broken(check_launcher(Pooled)) == {}


def test_results_out_of_order_fail() -> None:
    class Backwards(Pooled):
        def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
            return map(function, reversed(jobs))

    assert broken(check_launcher(Backwards)) == {
        "gives results in the order of the jobs": "other results, or in another order"
    }


def test_a_lost_job_fails() -> None:
    class Losing(Pooled):
        def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
            return map(function, jobs[:-1])

    assert broken(check_launcher(Losing))["does every job once"] == "6 of 7 jobs done"


def test_a_repeated_job_fails() -> None:
    class Repeating(Pooled):
        def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
            for job in jobs:
                function(job)
                yield function(job)

    assert broken(check_launcher(Repeating))["does every job once"].startswith("FileExistsError")


def test_a_swallowed_exception_fails() -> None:
    class Silent(Pooled):
        def map(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[Any]:
            for job in jobs:
                try:
                    yield function(job)
                except LookupError:
                    yield None

    assert broken(check_launcher(Silent)) == {"passes an exception on": "a job's exception is swallowed"}


@pytest.mark.parametrize("title", ["", "two\nlines"])
def test_a_launcher_without_a_title_fails(title: str) -> None:
    assert "says what it is" in broken(check_launcher(type("Blank", (Pooled,), {"title": title})))


def test_a_launcher_that_needs_an_option_fails() -> None:
    class Needing(Pooled):
        workers: int

    assert broken(check_launcher(Needing))["is made without options"].startswith("ValidationError")
