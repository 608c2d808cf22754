"""What every source promises."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from clinpeft.sources.base import Source
from clinpeft.testing._rules import CheckResult, Rule, empty_attributes, results

NUM_PATIENTS = 40
"""Invented patients of a check: enough for every class, and written in about a second."""


def check_source(entry: type[Source]) -> list[CheckResult]:
    """The promises of a source; what it invents is written to a temporary folder."""
    return results(entry, SOURCE_RULES)


def _says_what_it_is(entry: type[Source]) -> str | None:
    if not (entry.__doc__ or "").strip():
        return "its class has no docstring"
    return empty_attributes(entry, ["title"]) or ("its title has two lines" if "\n" in entry.title else None)


def _looks_only_below_the_folder_it_is_given(entry: type[Source]) -> str | None:
    paths = [Path(folder) for folder in entry.folders]
    return "a folder is absolute or goes up" if any(p.is_absolute() or ".." in p.parts for p in paths) else None


def _is_not_found_in_an_empty_folder(entry: type[Source]) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        return None if entry().find(Path(folder)) is None else "found where nothing lies"


def _finds_what_it_invents(entry: type[Source]) -> str | None:
    with invented(entry) as folder:
        return None if folder is None or entry().find(folder) is not None else "its invented files are not found"


def _invents_the_same_bytes_from_the_same_seed(entry: type[Source]) -> str | None:
    with invented(entry) as first, invented(entry, clock=2e9) as second, invented(entry, seed=2) as other:
        if first is None or second is None or other is None:
            return None
        if _contents(first) != _contents(second):
            return "two runs with one seed differ (a time, or an order that is not fixed?)"
        return "another seed gives the same files" if _contents(first) == _contents(other) else None


SOURCE_RULES: tuple[Rule[Source], ...] = (
    _says_what_it_is,
    _looks_only_below_the_folder_it_is_given,
    _is_not_found_in_an_empty_folder,
    _finds_what_it_invents,
    _invents_the_same_bytes_from_the_same_seed,
)


@contextmanager
def invented(entry: type[Source], *, seed: int = 1, clock: float = 1e9) -> Iterator[Path | None]:
    """A temporary folder with a source's invented files, made when the clock says `clock`; None if it has none."""
    if entry.synthesize is Source.synthesize:
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        with mock.patch("time.time", return_value=clock):
            entry().synthesize(Path(name), num_patients=NUM_PATIENTS, seed=seed)
        yield Path(name)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
