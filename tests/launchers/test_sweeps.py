"""Studies run whole by every launcher, with processes killed on the way: the same bytes, nothing lost, nobody left."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from clinpeft.launchers.base import Launcher
from clinpeft.launchers.pool import Pool
from clinpeft.launchers.ray import Ray
from clinpeft.launchers.slurm import Slurm

if TYPE_CHECKING:
    from tests.conftest import Small
    from tests.launchers.conftest import SlurmCluster

pytestmark = pytest.mark.slow
SECONDS = 300
"""In which whatever is waited for must come."""


def results(small: Small) -> dict[str, bytes]:
    """Weights and predictions of every run, by path."""
    return {name: data for name, data in small.content("runs").items() if not name.endswith(".json")}


@pytest.fixture
def once(small: Small, tmp_path: Path) -> tuple[Small, Small]:
    """A study run here, and a copy of it (with the same secret) none of whose runs has been done."""
    small.write(methods=["full", "lora"], keep="all", train={"epochs": 150, "early_stopping_patience": None})
    small.run()
    shutil.copytree(small.folder, tmp_path / "again", symlinks=True)
    again = type(small)(tmp_path / "again")
    shutil.rmtree(again.out / "runs")
    return small, again


def start(small: Small, *words: str, program: tuple[str, ...] = ("-m", "clinpeft.cli")) -> subprocess.Popen[str]:
    """The command line, in a process of its own."""
    command = [sys.executable, *program, "run", str(small.file), "--out", str(small.out), *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def holders(small: Small) -> list[int]:
    """The processes that train a run now."""
    found = []
    for path in (small.out / "leases").glob("[0-9a-f]*"):
        try:
            found.append(int(json.loads(path.read_text().splitlines()[0])["pid"]))
        except (OSError, IndexError, ValueError):
            continue
    return found


def wait_for(condition: Callable[[], Any]) -> Any:
    """What the condition gives as soon as it is true."""
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def finished(small: Small) -> Counter[str | None]:
    return Counter(event.run for event in small.store.journal.events() if event.event == "finished")


def test_a_run_whose_process_is_killed_ends_as_if_nothing_had_been(once: tuple[Small, Small]) -> None:
    here, again = once
    process = start(again, "--launcher", "pool", "--workers", "2")
    for pid in wait_for(lambda: holders(again)):
        os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, said
    assert results(again) == results(here)
    assert set(finished(again).values()) == {2}, "once in the first study, once in its copy"


def test_ctrl_c_stops_every_process_and_the_same_command_goes_on(
    once: tuple[Small, Small], is_alive: Callable[[int], bool]
) -> None:
    here, again = once
    process = start(again, "--launcher", "pool", "--workers", "2")
    pids = wait_for(lambda: holders(again))
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS)

    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "clinpeft: interrupted; the same command goes on from here"
    assert not any(is_alive(pid) for pid in pids)
    assert again.run(launcher=Pool(workers=1)).num_failed == 0
    assert results(again) == results(here)


def test_a_study_whose_process_is_killed_leaves_nobody_behind_and_goes_on(
    once: tuple[Small, Small], is_alive: Callable[[int], bool]
) -> None:
    here, again = once
    process = start(again, "--launcher", "pool", "--workers", "2")
    pids = wait_for(lambda: holders(again))
    process.kill()
    process.communicate(timeout=SECONDS)

    wait_for(lambda: not any(is_alive(pid) for pid in pids))
    assert again.run(launcher=Pool(workers=2)).num_failed == 0
    assert results(again) == results(here)


ACTS = """
import os
if os.environ.get("CLINPEFT_TEST_ACT"):
    import subprocess, sys, time
    import clinpeft.methods.bitfit as bitfit
    def act(*_):
        what, _, path = os.environ["CLINPEFT_TEST_ACT"].partition(" ")
        if what == "abort":
            os.abort()
        if what == "hang":
            time.sleep(600)
        if what == "print":
            for _ in range(512):
                print("x" * 2**20)
                print("x" * 2**20, file=sys.stderr)
        if what == "orphans":
            words = [sys.executable, "-c", "import time; time.sleep(600)"]
            children = [subprocess.Popen(words, start_new_session=is_apart) for is_apart in (False, True)]
            with open(path, "a") as file:
                file.write(" ".join(str(child.pid) for child in children) + " ")
        if what == "memory":
            taken = b"x" * (8 << 30)
        os._exit(9)
    bitfit.BitFit.apply = act
"""
"""What one method does in every process, which loads this at its start."""


@pytest.fixture
def acting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what that is."""
    (tmp_path / "sitecustomize.py").write_text(ACTS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return lambda what: monkeypatch.setenv("CLINPEFT_TEST_ACT", what)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("abort", "its process was ended by SIGABRT"),
        ("hang", "computed nothing for 10 s, and was ended"),
        ("print", "its process ended by itself with code 9"),
        ("orphans", "its process ended by itself with code 9"),
    ],
)
def test_a_run_that_always_ends_its_process_is_recorded_and_the_others_go_on(
    act: str,
    message: str,
    acting: Callable[[str], None],
    small: Small,
    tmp_path: Path,
    is_alive: Callable[[int], bool],
    capfd: pytest.CaptureFixture[str],
) -> None:
    acting(f"{act} {tmp_path / 'pids'}")
    outcome = small.run(launcher=Pool(workers=2, stall_seconds=10 if act == "hang" else 900))

    assert (outcome.num_trained, outcome.num_failed) == (3, 1)
    reason = small.records()["bitfit"].reason
    assert reason is not None
    assert (reason.code, reason.message) == ("killed", message)
    assert small.records()["head-only"].status == "success"
    assert len(capfd.readouterr().err) < 10_000
    orphans = [int(pid) for pid in (tmp_path / "pids").read_text().split()] if act == "orphans" else []
    assert len(orphans) == (4 if act == "orphans" else 0), "two, at each try"
    wait_for(lambda: not any(is_alive(pid) for pid in orphans))


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A control group of 3 GB of memory and no swap."""
    folder = Path("/sys/fs/cgroup/memory/clinpeft-test")
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(3 << 30))
    except OSError:
        pytest.skip("needs a first version's memory control group that may be written")
    yield folder
    wait_for(lambda: not (folder / "cgroup.procs").read_text())
    folder.rmdir()


def test_a_run_whose_process_the_kernel_ends_for_want_of_memory_is_recorded_as_that(
    acting: Callable[[str], None], small: Small, memory_group: Path
) -> None:
    acting("memory")
    code = "import os, sys; open(sys.argv.pop(1), 'w').write(str(os.getpid())); from clinpeft.cli import main; main()"
    process = start(
        small, "--launcher", "pool", "--workers", "1", program=("-c", code, str(memory_group / "cgroup.procs"))
    )
    _, said = process.communicate(timeout=SECONDS)
    record = small.records()["bitfit"]

    assert process.returncode == 1, said
    assert record.reason is not None
    assert (record.status, record.reason.code) == ("out_of_memory", "oom_host")
    assert small.records()["head-only"].status == "success"


def test_slurm_trains_to_the_same_bytes(once: tuple[Small, Small], slurm: SlurmCluster, tmp_path: Path) -> None:
    here, again = once
    assert again.run(launcher=Slurm(cpus=1, poll=0.5, folder=str(tmp_path / "submitit"))).num_failed == 0
    assert results(again) == results(here)
    assert not [path for path in again.out.rglob("*") if path.suffix in {".pkl", ".pickle", ".sh"}]


@pytest.mark.parametrize(
    "words",
    [
        ("scontrol", "requeue"),
        ("scancel", "--signal=USR2"),
        ("srun", "--partition=urgent", "--cpus-per-task=4", "sleep", "1"),
    ],
    ids=["requeued", "warned of its time limit", "moved out of the way"],
)
def test_an_interrupted_slurm_job_goes_on_and_ends_with_the_same_bytes(
    words: tuple[str, ...], once: tuple[Small, Small], slurm: SlurmCluster, tmp_path: Path
) -> None:
    here, again = once
    settings = ["poll=0.5", "cpus=1", f"folder={tmp_path / 'submitit'}"]
    process = start(again, "--launcher", "slurm", *(word for setting in settings for word in ("--set", setting)))
    wait_for(lambda: holders(again))
    names = slurm.said("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%i").split()
    for name in names if words[0] != "srun" else [None]:
        slurm.said(*words, *([name] if name else []))
    while process.poll() is None:
        slurm.hurry()
        time.sleep(0.5)
    _, said = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, said
    assert results(again) == results(here)
    assert set(finished(again).values()) == {2}
    leased = Counter(event.run for event in again.store.journal.events() if event.event == "leased")
    assert max(leased.values()) > 2, "a job has started again"


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (pip install 'clinpeft[ray]')")
def test_ray_trains_to_the_same_bytes(once: tuple[Small, Small]) -> None:
    here, again = once
    launcher: Launcher = Ray()
    assert again.run(launcher=launcher).num_failed == 0
    assert results(again) == results(here)


IMPATIENT = """
from clinpeft.launchers import _ray_cluster
_ray_cluster.SECONDS_TO_COME_BACK = 0.5
from clinpeft.cli import main
main()
"""
"""The command line, which waits no longer than that for a head or raylet."""


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (pip install 'clinpeft[ray]')")
@pytest.mark.parametrize(("name", "role"), [("gcs_server", "head"), ("raylet", "raylet")])
def test_a_study_whose_ray_cluster_dies_stops_with_a_line_and_goes_on_with_another(
    name: str, role: str, once: tuple[Small, Small]
) -> None:
    here, again = once
    process = start(again, "--launcher", "ray", program=("-c", IMPATIENT))
    wait_for(lambda: holders(again) or process.poll() is not None)
    [victim] = [child for child in psutil.Process(process.pid).children(recursive=True) if child.name() == name]
    victim.kill()
    _, said = process.communicate(timeout=SECONDS)

    assert process.returncode == 3, said
    assert re.fullmatch(
        rf"clinpeft: the Ray cluster is gone: its {role} \(127\.0\.0\.1:\d+\) does not answer; "
        "the same command goes on with another",
        said.splitlines()[-1],
    )
    assert again.run(launcher=Pool(workers=1)).num_failed == 0
    assert results(again) == results(here)


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (pip install 'clinpeft[ray]')")
def test_a_run_whose_ray_process_is_killed_ends_as_if_nothing_had_been(once: tuple[Small, Small]) -> None:
    here, again = once
    process = start(again, "--launcher", "ray")
    for pid in wait_for(lambda: holders(again)):
        os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, said
    assert results(again) == results(here)
    assert set(finished(again).values()) == {2}


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (pip install 'clinpeft[ray]')")
def test_a_study_by_ray_whose_process_is_killed_leaves_nobody_behind_and_goes_on(
    once: tuple[Small, Small], is_alive: Callable[[int], bool]
) -> None:
    here, again = once
    process = start(again, "--launcher", "ray")
    pids = wait_for(lambda: holders(again))
    process.kill()
    process.communicate(timeout=SECONDS)

    wait_for(lambda: not any(is_alive(pid) for pid in pids))
    assert again.run(launcher=Pool(workers=2)).num_failed == 0
    assert results(again) == results(here)
