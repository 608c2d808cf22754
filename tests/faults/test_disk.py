"""A disk that is full, broken or gone stops a study with one line; nothing that was done is lost."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import OFTEN, assert_ended_well, results

if TYPE_CHECKING:
    from tests.conftest import Small

Launch = Callable[..., Any]

FULL_AT = """
import errno, os
plain, calls = os.fsync, [0]
def fsync(descriptor):
    calls[0] += 1
    if calls[0] == {number}:
        raise OSError({errno}, os.strerror({errno}))
    return plain(descriptor)
os.fsync = fsync
"""
"""The disk refuses one write, when it is to reach the disk."""


def assert_nothing_is_half_written(small: Small) -> None:
    """What is there is whole."""
    if (small.out / "study.yaml").exists():
        small.store.journal.events()
        assert all(small.store.is_sound(run) for run in small.store.runs())
    assert [path for path in small.out.rglob("*") if ".tmp-" in path.name] == []


def refused_at(number: int, code: int, small: Small, launch: Launch) -> bool:
    """Whether the study was stopped by the refusal of that write, as it should be."""
    process = launch(small, OFTEN + FULL_AT.format(number=number, errno=code))
    ended, said = process.code(), process.said()
    if ended == 0:
        return False
    assert ended == 3, said
    assert said.splitlines()[-1].startswith("clinpeft: /"), said
    assert "the disk is full" in said or "Input/output error" in said
    assert_nothing_is_half_written(small)
    return True


@pytest.mark.parametrize(("code", "number"), [(errno.ENOSPC, 40), (errno.EIO, 1)])
def test_a_refused_write_stops_the_study_and_the_same_command_goes_on(
    code: int, number: int, tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    assert refused_at(number, code, tinier, launch)
    again = launch(tinier)

    assert again.code() == 0, again.said()
    assert_ended_well(tinier, whole)


@pytest.mark.slow
def test_every_write_in_turn_may_be_refused(
    tinier: Small, whole: dict[str, bytes], launch: Launch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = 1
    while refused_at(number, errno.ENOSPC if number % 2 else errno.EIO, tinier, launch):
        if number % 7 == 0:
            assert launch(tinier).code() == 0
            assert results(tinier) == whole
        shutil.rmtree(tinier.out, ignore_errors=True)
        number += 1

    assert_ended_well(tinier, whole)
    with capsys.disabled():
        print(f"\n{number - 1} writes refused, one study each")
    assert number > 60


SMALL_FILES = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
"""


def test_a_file_that_may_not_grow_stops_the_study_with_what_it_needed(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    tinier.write(methods=["lora", "head-only", "full"], train={"epochs": 2, "batch_size": 8})
    process = launch(tinier, SMALL_FILES)
    code, said = process.code(), process.said().splitlines()[-1]

    assert code == 3, process.said()
    assert "the disk is full (" in said
    assert_nothing_is_half_written(tinier)
    assert launch(tinier).code() == 0
    assert {name: data for name, data in results(tinier).items() if name in whole} == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB; skipped where it may not be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_on_a_full_file_system_finished_runs_stay_and_freed_space_is_enough(
    tinier: Small, whole: dict[str, bytes], launch: Launch, small_disk: Path
) -> None:
    (small_disk / "ballast").write_bytes(bytes((2 << 20) - 160_000))
    (tinier.folder / "out").symlink_to(small_disk / "out")
    (small_disk / "out").mkdir()
    process = launch(tinier, OFTEN)
    code = process.code()
    kept = tinier.content("runs") if (tinier.out / "runs").exists() else {}
    (small_disk / "ballast").unlink()
    again = launch(tinier)

    assert code == 3, process.said()
    assert "the disk is full" in process.said()
    assert again.code() == 0, again.said()
    assert kept.items() <= tinier.content("runs").items()
    assert results(tinier) == whole


LOST_AT = """
import shutil
from pathlib import Path
from clinpeft.train import loop
offered, steps = loop._save, [0]
def save(state, checkpoints, interruption):
    steps[0] += 1
    if steps[0] == 3:
        {lose}
    offered(state, checkpoints, interruption)
loop._save = save
"""


def test_a_folder_that_vanishes_stops_the_study_with_a_line(tinier: Small, launch: Launch) -> None:
    away = tinier.folder / "away"
    process = launch(tinier, OFTEN + LOST_AT.format(lose=f"Path({str(tinier.out)!r}).rename({str(away)!r})"))

    assert process.code() == 3, process.said()
    assert process.said().splitlines()[-1].startswith("clinpeft: /")
    assert "Traceback" not in process.said()


READ_ONLY = """
import errno, os
from pathlib import Path
def refuse(path, *arguments, **options):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
"""
"""What a kernel answers once it has met an error of the disk; a file system in use cannot be remounted so on demand."""


@pytest.mark.slow
def test_a_file_system_that_turns_read_only_stops_the_study_with_a_line(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    process = launch(tinier, OFTEN + READ_ONLY + LOST_AT.format(lose="Path.mkdir = refuse"))

    assert process.code() == 3, process.said()
    assert "Read-only file system; the same command goes on once it can be written again" in process.said()
    assert launch(tinier).code() == 0
    assert_ended_well(tinier, whole)
