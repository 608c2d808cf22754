"""A launcher that loses, repeats or reorders jobs fails the check that names it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from clinpeft.errors import BadInput
from clinpeft.launchers.base import Ended, Function, Launcher
from clinpeft.testing import CheckResult, check_launcher

Ends = Generator[Ended, None, None]


def broken(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if not result.passed}


class Pooled(Launcher):
    """Several jobs at once: a launcher that keeps every promise."""

    title: ClassVar[str] = "a few threads"

    def map(self, function: Function, jobs: Sequence[Any]) -> Ends:
        with ThreadPoolExecutor(2) as pool:
            for number, value in enumerate(pool.map(function, jobs)):
                yield Ended(number, value)


def test_a_sound_launcher_passes_every_check() -> None:
    results = check_launcher(Pooled)

    assert broken(results) == {}
    assert len(results) == 8


def test_values_of_other_jobs_fail() -> None:
    class Backwards(Pooled):
        def map(self, function: Function, jobs: Sequence[Any]) -> Ends:
            return super().map(function, jobs[::-1])

    assert broken(check_launcher(Backwards)) == {
        "gives every job its own value": "a value is missing, wrong or given twice"
    }


def test_a_lost_job_fails() -> None:
    class Losing(Pooled):
        def map(self, function: Function, jobs: Sequence[Any]) -> Ends:
            return super().map(function, jobs[:-1])

    assert broken(check_launcher(Losing))["does every job once"] == "6 of 7 jobs done"


def test_a_repeated_job_fails() -> None:
    class Repeating(Pooled):
        def map(self, function: Function, jobs: Sequence[Any]) -> Ends:
            for number, job in enumerate(jobs):
                function(job)
                yield Ended(number, function(job))

    assert broken(check_launcher(Repeating))["does every job once"].startswith("FileExistsError")


def test_a_swallowed_exception_fails() -> None:
    class Silent(Pooled):
        def map(self, function: Function, jobs: Sequence[Any]) -> Ends:
            for number, job in enumerate(jobs):
                try:
                    yield Ended(number, function(job))
                except BadInput:
                    yield Ended(number)

    assert broken(check_launcher(Silent)) == {"passes an exception on": "a job's exception is swallowed"}


def test_an_exception_that_loses_its_words_on_the_way_fails() -> None:
    class Vague(Pooled):
        def map(self, function: Function, jobs: Sequence[Any]) -> Ends:
            try:
                yield from super().map(function, jobs)
            except BadInput:
                raise BadInput("a job", "went wrong") from None

    assert broken(check_launcher(Vague)) == {"passes an exception on": "a job's exception loses its words"}


def test_a_launcher_that_is_not_at_home_here_does_no_jobs() -> None:
    class Abroad(Pooled):
        def ready(self) -> None:
            raise BadInput("launcher 'abroad'", "is not here", "go there")

    assert len(check_launcher(Abroad)) == 4
    assert broken(check_launcher(Abroad)) == {}


def test_a_missing_piece_that_is_no_bad_input_fails() -> None:
    class Rude(Pooled):
        def ready(self) -> None:
            raise ImportError("submitit")

    assert broken(check_launcher(Rude)) == {"says on purpose what is missing": "ImportError: submitit"}


def test_an_option_without_a_text_fails() -> None:
    class Bare(Pooled):
        workers: int = 1

    assert broken(check_launcher(Bare)) == {"documents every option": "no text under option workers"}


@pytest.mark.parametrize("title", ["", "two\nlines"])
def test_a_launcher_without_a_title_fails(title: str) -> None:
    assert "says what it is" in broken(check_launcher(type("Blank", (Pooled,), {"title": title})))


def test_a_launcher_that_needs_an_option_fails() -> None:
    class Needing(Pooled):
        workers: int

    assert broken(check_launcher(Needing))["is made without options"].startswith("ValidationError")
