"""Every task's dataset of invented files agrees with the second parser, whatever its options, packed or unpacked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clinpeft.data.build import build_task
from clinpeft.data.verify import Comparison, compare_with_raw
from clinpeft.recount import parser_of
from clinpeft.tasks.base import Task

Configured = tuple[str, Task]


def compared(configured: Configured, raw: Path, out: Path) -> Comparison:
    name, task = configured
    if parser_of(task.source) is None:
        pytest.skip(f"source '{task.source}' has no second parser")
    return compare_with_raw(build_task(task, name, raw, out), raw)


def test_a_dataset_agrees_with_the_second_parser(
    configured: Configured, invented_raw: Callable[[str], Path], tmp_path: Path
) -> None:
    found = compared(configured, invented_raw(configured[0]), tmp_path)

    assert found.problem() is None
    assert found.num_examples > 0
    assert found.built == found.recounted
    assert found.num_spans or configured[1].kind != "entities"


def test_so_it_does_with_every_value_of_every_option(
    with_option: Configured, invented_raw: Callable[[str], Path], tmp_path: Path
) -> None:
    found = compared(with_option, invented_raw(with_option[0]), tmp_path)

    assert found.problem() is None
    assert found.built == found.recounted


def test_it_also_does_when_the_files_are_unpacked(
    configured: Configured, other_form: Callable[[str], Path | None], tmp_path: Path
) -> None:
    raw = other_form(configured[0])
    if raw is None:
        pytest.skip("the release has no packed files")

    assert compared(configured, raw, tmp_path).problem() is None
