"""A disk that is full, broken or gone stops a study with one line; nothing that was done is lost."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import OFTEN, Running, Zygote, assert_ended_well, results

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


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["report", "open-test"])
def test_every_write_of_another_verb_may_be_refused(
    verb: str, tinier: Small, whole: dict[str, bytes], launch: Launch, zygote: Zygote, tmp_path: Path
) -> None:
    assert launch(tinier).code() == 0
    before, number, code = results(tinier), 0, 3
    assert before == whole
    while code == 3:
        number += 1
        failing = FULL_AT.format(number=number, errno=errno.ENOSPC)
        process = Running(zygote, [verb, tinier.out], failing, tmp_path / f"{verb}-{number}")
        code = process.code()
        assert_nothing_is_half_written(tinier)
        if code == 3:
            assert "the disk is full" in process.said().splitlines()[-1]

    assert code == 0, process.said()
    assert number > 3
    records = {record.run: record.status for record in tinier.store.records()}
    assert set(records.values()) == {"success"}
    assert (results(tinier) == before) == (verb == "report")


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


@pytest.mark.slow
def test_on_a_file_system_with_room_for_so_much_and_no_more_a_study_ends_or_stops_with_a_line(
    tinier: Small, whole: dict[str, bytes], launch: Launch, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system itself refuses a write, a new file or a new folder, each time at another place."""
    page, rooms, code = os.sysconf("SC_PAGE_SIZE"), 0, 3
    (tinier.folder / "out").symlink_to(small_disk / "out")
    while code == 3:
        rooms += 1
        (small_disk / "out").mkdir()
        (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - 4 * rooms * page))
        process = launch(tinier, OFTEN)
        code = process.code()
        if code == 3:
            assert "the disk is full" in process.said().splitlines()[-1], process.said()
            assert_nothing_is_half_written(tinier)
        if code == 3 and rooms % 5 == 0:
            (small_disk / "ballast").unlink()
            assert launch(tinier).code() == 0
            assert_ended_well(tinier, whole)
        if code == 3:
            shutil.rmtree(small_disk / "out")
            (small_disk / "ballast").unlink(missing_ok=True)

    assert code == 0, process.said()
    assert_ended_well(tinier, whole)
    with capsys.disabled():
        print(f"\n{rooms - 1} file systems were too small")
    assert rooms > 10


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


def test_a_folder_that_vanishes_stops_the_study_with_a_line_and_goes_on_once_it_is_back(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    away = tinier.folder / "away"
    process = launch(tinier, OFTEN + LOST_AT.format(lose=f"Path({str(tinier.out)!r}).rename({str(away)!r})"))

    assert process.code() == 3, process.said()
    assert process.said().splitlines()[-1].startswith("clinpeft: /")
    assert "Traceback" not in process.said()
    assert not tinier.out.exists()
    away.rename(tinier.out)
    assert launch(tinier).code() == 0
    assert_ended_well(tinier, whole)


REFUSED = """
import os
from pathlib import Path
def refuse(path, *arguments, **options):
    raise OSError({number}, os.strerror({number}), str(path))
"""
"""What a kernel answers once it has met an error of the disk, or a server of files has gone; none comes on demand."""


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.EROFS, errno.ESTALE, errno.EIO, errno.EACCES, errno.EPERM])
def test_a_file_system_that_refuses_all_at_once_stops_the_study_with_a_line(
    number: int, tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    lose = LOST_AT.format(lose="Path.mkdir = refuse")
    process = launch(tinier, OFTEN + REFUSED.format(number=number) + lose)

    assert process.code() == 3, process.said()
    assert f"{os.strerror(number)}; the same command goes on once it can be written again" in process.said()
    assert launch(tinier).code() == 0
    assert_ended_well(tinier, whole)


ORDINARY = """
import ctypes
c = ctypes.CDLL(None, use_errno=True)
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)()
assert c.capget(header, data) == 0
data[0] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
assert c.capset(header, data) == 0
"""
"""To root, too, permissions mean something then."""


@pytest.mark.slow
def test_a_folder_that_may_not_be_written_any_more_stops_the_study_with_a_line(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    close = f"[path.chmod(0o500) for path in [Path({str(tinier.out)!r}), *Path({str(tinier.out)!r}).rglob('*/')]]"
    process = launch(tinier, OFTEN + ORDINARY + LOST_AT.format(lose=close))
    code = process.code()
    for path in [tinier.out, *tinier.out.rglob("*/")]:
        path.chmod(0o700)

    assert code == 3, process.said()
    assert "Permission denied; the same command goes on once it can be written again" in process.said()
    assert launch(tinier).code() == 0
    assert_ended_well(tinier, whole)
