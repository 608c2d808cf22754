"""Studies run whole by every launcher, with processes killed on the way: the same bytes, nothing lost, nobody left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
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
    small.write(methods=["full", "lora"], keep="all", train={"epochs": 60})
    small.run()
    shutil.copytree(small.folder, tmp_path / "again", symlinks=True)
    again = type(small)(tmp_path / "again")
    shutil.rmtree(again.out / "runs")
    return small, again


def start(small: Small, *words: str) -> subprocess.Popen[str]:
    """The command line, in a process of its own."""
    command = [sys.executable, "-m", "clinpeft.cli", "run", str(small.file), "--out", str(small.out), *words]
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


def test_a_run_that_always_kills_its_process_is_recorded_and_the_others_go_on(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that every process loads at its start makes one method abort."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('CLINPEFT_TEST_ABORT'):\n"
        "    import clinpeft.methods.bitfit as bitfit\n"
        "    bitfit.BitFit.apply = lambda *_: os.abort()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CLINPEFT_TEST_ABORT", "1")
    outcome = small.run(launcher=Pool(workers=2))

    assert (outcome.num_trained, outcome.num_failed) == (3, 1)
    reason = small.records()["bitfit"].reason
    assert reason is not None
    assert (reason.code, reason.message) == ("killed", "its process was ended by SIGABRT")
    assert small.records()["head-only"].status == "success"


def test_slurm_trains_to_the_same_bytes(once: tuple[Small, Small], slurm: SlurmCluster, tmp_path: Path) -> None:
    here, again = once
    assert again.run(launcher=Slurm(cpus=1, poll=0.5, folder=str(tmp_path / "submitit"))).num_failed == 0
    assert results(again) == results(here)
    assert not [path for path in again.out.rglob("*") if path.suffix in {".pkl", ".pickle", ".sh"}]


def test_a_requeued_slurm_job_goes_on_and_ends_with_the_same_bytes(
    once: tuple[Small, Small], slurm: SlurmCluster, tmp_path: Path
) -> None:
    here, again = once
    words = [f"poll=0.5 cpus=1 folder={tmp_path / 'submitit'}".split()]
    process = start(again, "--launcher", "slurm", *(word for item in words[0] for word in ("--set", item)))
    wait_for(lambda: holders(again))
    for name in slurm.said("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%i").split():
        slurm.said("scontrol", "requeue", name)
    while process.poll() is None:
        slurm.hurry()
        time.sleep(0.5)
    _, said = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, said
    assert results(again) == results(here)
    assert set(finished(again).values()) == {2}


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (pip install 'clinpeft[ray]')")
def test_ray_trains_to_the_same_bytes(once: tuple[Small, Small]) -> None:
    here, again = once
    launcher: Launcher = Ray()
    assert again.run(launcher=launcher).num_failed == 0
    assert results(again) == results(here)


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (pip install 'clinpeft[ray]')")
def test_a_study_whose_ray_head_is_killed_goes_on(once: tuple[Small, Small]) -> None:
    """Ray ends the process that waits, or lets it end well if the tasks need no head any more."""
    here, again = once
    process = start(again, "--launcher", "ray")
    wait_for(lambda: holders(again) or process.poll() is not None)
    for child in psutil.Process(process.pid).children(recursive=True):
        if child.name() == "gcs_server":
            child.kill()
    process.communicate(timeout=SECONDS)

    assert again.run(launcher=Pool(workers=1)).num_failed == 0
    assert results(again) == results(here)
