"""Invented raw files for every task whose source can make them."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from clinpeft.sources.base import SOURCES, Source
from clinpeft.tasks.base import TASKS, Task

ARCHIVES = (".tar.gz", ".tgz", ".zip", ".csv.gz")
NUM_PATIENTS = 60
"""Enough for every class of every task in every split."""
ELSEWHERE = {"mode", "allow_hindsight", "allow_modified"}
"""`configured` has the modes; the others let files and texts pass, and change none."""
CORE = ("split", "core")
"""Needs the authors' lists of patients, which tests/recount has."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `configured` is run for every such task, and again in the paper mode of those that have one.

    One that takes `with_option` is run for every value of an option that is not the default.
    """
    if "configured" in metafunc.fixturenames:
        found = [(name, task) for name, task in TASKS if SOURCES.get(task.source).synthesize is not Source.synthesize]
        modes = {name: ["correct", *(["paper"] if task.has_paper_mode else [])] for name, task in found}
        tasks = [pytest.param((name, mode), id=f"{name} {mode}") for name in modes for mode in modes[name]]
        metafunc.parametrize("configured", tasks, indirect=True)
    if "with_option" in metafunc.fixturenames:
        found = [(name, task) for name, task in TASKS if SOURCES.get(task.source).synthesize is not Source.synthesize]
        values = [(name, *value) for name, task in found for value in _other_values(task)]
        ids = [f"{name} {option}={value}" for name, option, value in values]
        metafunc.parametrize("with_option", values, ids=ids, indirect=True)


@pytest.fixture
def configured(request: pytest.FixtureRequest) -> tuple[str, Task]:
    """A task's name, and the task in one of its modes."""
    name, mode = request.param
    return name, TASKS.get(name)(mode=mode)


@pytest.fixture
def with_option(request: pytest.FixtureRequest) -> tuple[str, Task]:
    """A task's name, and the task with one of its options at another value."""
    name, option, value = request.param
    task = TASKS.get(name)
    hindsight = {"allow_hindsight": True} if value == "full" and "allow_hindsight" in task.model_fields else {}
    return name, task.model_validate({option: value, **hindsight})


@pytest.fixture(scope="session")
def invented_raw(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with the invented raw files of a task's source, as `clinpeft synth` writes them."""

    @cache
    def of_source(source: str) -> Path:
        folder = tmp_path_factory.mktemp("raw") / source
        SOURCES.get(source)().synthesize(folder, num_patients=NUM_PATIENTS, seed=3)
        return folder

    return lambda task: of_source(TASKS.get(task).source)


@pytest.fixture(scope="session")
def other_form(
    invented_raw: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path | None]:
    """The same files unpacked; None where none is packed."""

    @cache
    def of_folder(folder: Path) -> Path | None:
        if not any(path.name.endswith(ARCHIVES) for path in folder.rglob("*")):
            return None
        copy = tmp_path_factory.mktemp("unpacked") / folder.name
        shutil.copytree(folder, copy)
        for path in sorted(copy.rglob("*")):
            if path.name.endswith(ARCHIVES):
                _unpack(path)
                path.unlink()
        return copy

    return lambda task: of_folder(invented_raw(task))


def _other_values(task: type[Task]) -> Iterator[tuple[str, object]]:
    """(option, value) of every option with a choice of words or yes and no, but for what changes no example."""
    for option, field in task.model_fields.items():
        values = (False, True) if field.annotation is bool else get_args(field.annotation)
        is_choice = field.annotation is bool or get_origin(field.annotation) is Literal
        if is_choice and option not in ELSEWHERE:
            yield from ((option, value) for value in values if value != field.default and (option, value) != CORE)


def _unpack(path: Path) -> None:
    """Beside the archive; into a folder of its name where its members lie in none."""
    if path.name.endswith(".csv.gz"):
        content = path.read_bytes()
        is_packed = content.startswith(b"\x1f\x8b")
        path.with_suffix("").write_bytes(gzip.decompress(content) if is_packed else content)
        return
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(_target(path, archive.namelist()))
        return
    with tarfile.open(path) as archive:
        archive.extractall(_target(path, archive.getnames()), filter="data")


def _target(path: Path, members: list[str]) -> Path:
    tops = {Path(name).parts[0] for name in members if Path(name).parts}
    stem = path.name
    for suffix in ARCHIVES:
        stem = stem.removesuffix(suffix)
    return path.parent if len(tops) == 1 else path.parent / stem
