"""The pool: a process that dies or hangs loses its own job only, and nobody outlives the one who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from clinpeft.errors import BadInput
from clinpeft.launchers import _process
from clinpeft.launchers.base import Ended, Lost, launcher_of
from clinpeft.launchers.pool import Pool


def by_number(ends: Iterator[Ended]) -> dict[int, Any]:
    """Values, or why there is none, by number of the job."""
    return {ended.number: ended.lost or ended.value for ended in ends}


def appears(path: Path, letters: int = 1) -> bool:
    """Waits until a file holds so many letters."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if path.exists() and len(path.read_text()) >= letters:
            return True
        time.sleep(0.02)
    return False


def is_gone(pid: int, is_alive: Callable[[int], bool]) -> bool:
    """Waits until a process has ended."""
    end = time.monotonic() + 30
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_alive(pid)


def interrupt_when(condition: Callable[[], bool]) -> threading.Thread:
    """Sends this process SIGINT as soon as the condition holds."""

    def wait_and_send() -> None:
        condition()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


def test_a_process_that_dies_loses_only_its_own_job(jobs: ModuleType) -> None:
    assert by_number(Pool(workers=2).map(jobs.die_at_two, range(5))) == {
        **{number: number for number in (0, 1, 3, 4)},
        2: Lost("killed", "its process was ended by SIGSEGV"),
    }


def test_a_job_whose_process_died_is_begun_once_more(jobs: ModuleType, tmp_path: Path) -> None:
    assert by_number(Pool(workers=1).map(jobs.die_on_first_try, [str(tmp_path / "mark")])) == {0: "second try"}


@pytest.mark.parametrize(("retries", "tries"), [(0, 1), (1, 2), (2, 3)])
def test_a_job_whose_process_always_dies_is_given_up(
    retries: int, tries: int, jobs: ModuleType, tmp_path: Path
) -> None:
    count = tmp_path / "count"

    found = by_number(Pool(workers=1, retries=retries).map(jobs.die_and_count, [str(count)]))
    assert found == {0: Lost("killed", "its process was ended by SIGABRT")}
    assert count.read_text() == "x" * tries


def test_a_process_that_ends_by_itself_is_told_apart(jobs: ModuleType) -> None:
    assert by_number(Pool(workers=1, retries=0).map(os._exit, [7])) == {
        0: Lost("killed", "its process ended by itself with code 7")
    }


def test_a_process_that_the_kernel_ends_for_want_of_memory_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([4, 5])
    monkeypatch.setattr(_process, "oom_kills", lambda: next(counts))

    assert by_number(Pool(workers=1, retries=0).map(signal.raise_signal, [signal.SIGKILL])) == {
        0: Lost("oom_host", "the system ended its process, as the machine's memory ran out")
    }


def test_the_kernels_own_count_is_read() -> None:
    assert _process.oom_kills() >= 0
    assert any(Path(path).exists() for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"))


def test_a_process_that_hangs_is_ended(jobs: ModuleType) -> None:
    assert by_number(Pool(workers=1, retries=0, stall_seconds=1).map(time.sleep, [600])) == {
        0: Lost("killed", "computed nothing for 1 s, and was ended")
    }


def test_a_process_that_computes_is_not_taken_for_one_that_hangs(jobs: ModuleType) -> None:
    assert by_number(Pool(workers=1, retries=0, stall_seconds=3).map(jobs.compute, [5])) == {0: "done"}


def test_what_a_dead_process_had_started_is_ended_with_it(
    jobs: ModuleType, tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    list(Pool(workers=1, retries=0).map(jobs.leave_orphans, [str(tmp_path / "pids")]))
    orphans = [int(pid) for pid in (tmp_path / "pids").read_text().split()]

    assert len(orphans) == 2
    assert all(is_gone(pid, is_alive) for pid in orphans)


def test_what_processes_print_does_not_come_between(jobs: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert by_number(Pool(workers=1).map(jobs.print_much, [20])) == {0: None}
    assert capfd.readouterr() == ("", "")


def test_what_processes_print_is_kept_for_the_owner_where_it_is_asked_for(jobs: ModuleType, tmp_path: Path) -> None:
    list(Pool(workers=1, cores=1, logs=str(tmp_path / "logs")).map(jobs.print_much, [1]))
    [log] = (tmp_path / "logs").iterdir()

    assert log.stat().st_size == 2 * (2**20 + 1)
    assert (tmp_path / "logs").stat().st_mode & 0o077 == 0


def test_every_process_has_cores_of_its_own(jobs: ModuleType) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("one core only")

    answers = by_number(Pool(workers=2).map(jobs.where, range(4))).values()
    of_processes = {pid: tuple(own) for pid, own, _ in answers}
    assert len(of_processes) == 2
    first, second = of_processes.values()
    assert len(first) == len(second) == len(cores) // 2
    assert not set(first) & set(second)


def test_several_gpus_are_shared_out(jobs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-aa")

    assert {gpu for _, _, gpu in by_number(Pool().map(jobs.where, range(4))).values()} == {"3", "GPU-aa"}


@pytest.mark.parametrize(("named", "workers", "told"), [("0", 2, [{}] * 2), ("", 2, [{}] * 2)])
def test_one_gpu_or_none_is_left_to_everybody(
    named: str, workers: int, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)

    assert [environment for _, environment in Pool(workers=workers).places(9)] == told


def test_no_more_processes_are_started_than_there_are_jobs_and_cores_may_be_shared() -> None:
    many = len(os.sched_getaffinity(0)) + 3

    assert len(Pool(workers=many).places(2)) == 2
    assert {len(cores) for cores, _ in Pool(workers=many).places(99)} == {1}


def test_an_exception_that_cannot_be_sent_is_named_without_its_words(jobs: ModuleType) -> None:
    with pytest.raises(RuntimeError) as error:
        list(Pool(workers=1).map(jobs.raise_odd, [0]))

    assert str(error.value) == "Odd in a worker"


def test_an_interrupt_reaches_every_process_once_and_they_come_to_an_end(
    jobs: ModuleType, tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    said = [tmp_path / name for name in ("one", "two")]
    thread = interrupt_when(lambda: all(appears(path, 2) for path in said))

    with pytest.raises(KeyboardInterrupt):
        list(Pool(workers=2).map(jobs.say, [str(path) for path in said]))
    thread.join()
    for path in said:
        pid, _, interrupts = path.read_text().partition(" ")
        assert interrupts == "i"
        assert not is_alive(int(pid))


def test_a_second_interrupt_ends_them_at_once(
    jobs: ModuleType, tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    said = tmp_path / "stubborn"

    def first_interrupt_arrived() -> bool:
        appears(said, 2)
        pid = len(said.read_text())
        os.kill(os.getpid(), signal.SIGINT)
        return appears(said, pid + 1)

    thread = interrupt_when(first_interrupt_arrived)
    with pytest.raises(KeyboardInterrupt):
        list(Pool(workers=1).map(jobs.say, [str(said)]))
    thread.join()
    pid, _, interrupts = said.read_text().partition(" ")
    assert interrupts == "i"
    assert not is_alive(int(pid))


def test_a_caller_who_stops_early_leaves_nobody_behind(
    jobs: ModuleType, tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    ends = Pool(workers=1).map(jobs.where, range(5))
    pid = next(ends).value[0]
    ends.close()

    assert not is_alive(pid)


def test_processes_end_with_the_one_that_started_them_however_it_ends(
    jobs: ModuleType, tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    code = "import sys; from clinpeft.launchers.pool import Pool; import clinpeft_test_jobs as jobs\n"
    code += "list(Pool(workers=1).map(jobs.say, sys.argv[1:]))"
    said = tmp_path / "said"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    starter = subprocess.Popen([sys.executable, "-c", code, str(said)], env=environment)
    assert appears(said, 2)
    starter.kill()
    starter.wait()

    assert is_gone(int(said.read_text()), is_alive)


def test_options_come_from_words() -> None:
    assert launcher_of("pool", {"workers": "3", "cores": "2"}) == Pool(workers=3, cores=2)


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("pool", {"worker": "3"}, "launcher 'pool': unknown key 'worker' (did you mean 'workers'?)"),
        ("pool", {"workers": "0"}, "launcher 'pool': 'workers': Input should be greater than or equal to 1"),
        ("local", {"workers": "3"}, "--workers: launcher 'local' has no workers; `--launcher pool` has"),
    ],
)
def test_a_wrong_option_is_refused(name: str, options: dict[str, str], line: str) -> None:
    with pytest.raises(BadInput) as error:
        launcher_of(name, options)

    assert str(error.value) == line
