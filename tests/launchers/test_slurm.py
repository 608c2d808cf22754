"""Jobs of a real Slurm cluster of one node, started by the test: arrays, requeues, preemption, limits, a dead node."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.launchers import slurm as module
from clinpeft.launchers.base import Ended, Lost, launcher_of
from clinpeft.launchers.slurm import Slurm
from clinpeft.testing import check_launcher

if TYPE_CHECKING:
    from tests.launchers.conftest import SlurmCluster

STEPS = '''
import os, signal, sys, time
from pathlib import Path


def said(path, word):
    with open(path, "a") as file:
        file.write(word + " ")


def rest(path):
    """Ends at its second start; at the first it waits to be stopped."""
    starts = Path(path).read_text().count("start") if Path(path).exists() else 0
    said(path, "start")
    if starts:
        return int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    try:
        time.sleep(300)
    except KeyboardInterrupt:
        said(path, "interrupted")
        raise


def cores(job):
    return [os.environ["CLINPEFT_CORES"], os.environ.get("SLURM_ARRAY_JOB_ID"), os.umask(0o077)]


def die(path):
    said(path, "x")
    os.kill(os.getpid(), signal.SIGKILL)
'''


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Functions for jobs; a node finds them by PYTHONPATH."""
    import importlib

    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "clinpeft_test_steps.py").write_text(STEPS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "steps")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "steps"))
    sys.modules.pop("clinpeft_test_steps", None)
    return importlib.import_module("clinpeft_test_steps")


@pytest.fixture
def launcher(tmp_path: Path) -> Slurm:
    return Slurm(cpus=1, poll=0.3, folder=str(tmp_path / "submitit"))


def by_number(ends: Iterator[Ended]) -> dict[int, Any]:
    return {ended.number: ended.lost or ended.value for ended in ends}


def when_started(path: Path, act: Callable[[], object], hurry: Callable[[], object] | None = None) -> threading.Thread:
    """Does something as soon as the job has said that it started; then sees that it soon starts again."""

    def started(times: int) -> bool:
        return path.exists() and path.read_text().count("start") >= times

    def wait_and_act() -> None:
        end = time.monotonic() + 150
        while not started(1) and time.monotonic() < end:
            time.sleep(0.1)
        act()
        while hurry and not started(2) and time.monotonic() < end:
            time.sleep(0.5)
            hurry()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def job_id(cluster: SlurmCluster) -> str:
    """Of the user's one job that runs."""
    [name] = cluster.said("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%i").split()
    return name


@pytest.mark.slow
def test_it_keeps_the_promises_of_a_launcher(slurm: SlurmCluster, tmp_path: Path) -> None:
    class Quick(Slurm):
        cpus: int = 1
        """One."""
        poll: float = 0.3
        """Often."""
        folder: str | None = str(tmp_path)
        """Here."""

    results = check_launcher(Quick)
    assert [f"{result.name}: {result.detail}" for result in results if not result.passed] == []
    assert len(results) == 8


@pytest.mark.slow
def test_the_jobs_are_one_array_and_each_knows_its_share(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path
) -> None:
    answers = by_number(launcher.model_copy(update={"cpus": 2}).map(steps.cores, range(3)))

    assert [cores for cores, _, _ in answers.values()] == ["2"] * 3
    assert len({array for _, array, _ in answers.values()}) == 1
    assert list((tmp_path / "submitit").iterdir()) == []


@pytest.mark.slow
def test_submitits_files_are_for_the_owner_only(slurm: SlurmCluster, steps: ModuleType, launcher: Slurm) -> None:
    ends = launcher.map(steps.cores, range(1))
    next(ends)
    [folder] = Path(str(launcher.folder)).iterdir()

    assert folder.stat().st_mode & 0o077 == 0
    ends.close()


@pytest.mark.slow
def test_a_requeued_job_is_interrupted_and_starts_again(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    thread = when_started(said, lambda: slurm.said("scontrol", "requeue", job_id(slurm)), slurm.hurry)

    assert by_number(launcher.map(steps.rest, [str(said)])) == {0: 1}
    thread.join()
    assert said.read_text().split() == ["start", "interrupted", "start"]


@pytest.mark.slow
def test_a_job_that_a_more_urgent_one_takes_the_place_of_is_interrupted_and_starts_again(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    urgent = ("srun", "--partition=urgent", "--cpus-per-task=4", "sleep", "1")
    thread = when_started(said, lambda: slurm.said(*urgent), slurm.hurry)

    assert by_number(launcher.map(steps.rest, [str(said)])) == {0: 1}
    thread.join()
    assert said.read_text().split() == ["start", "interrupted", "start"]


@pytest.mark.slow
def test_a_job_at_its_time_limit_is_interrupted_before_and_asks_for_more(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path
) -> None:
    """Slurm looks at limits every half minute, and may warn so much early, or end the job before it could warn."""
    said = tmp_path / "said"
    limited = launcher.model_copy(update={"time": 1, "grace": 5, "retries": 0})

    thread = when_started(said, lambda: None, slurm.hurry)
    assert by_number(limited.map(steps.rest, [str(said)]))[0] in {0, 1}
    thread.join()
    assert said.read_text().split() == ["start", "interrupted", "start"]


@pytest.mark.slow
def test_a_job_that_is_warned_of_its_time_limit_asks_for_more(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    thread = when_started(said, lambda: slurm.said("scancel", "--signal=USR2", job_id(slurm)), slurm.hurry)

    assert by_number(launcher.map(steps.rest, [str(said)])) == {0: 1}
    thread.join()
    assert said.read_text().split() == ["start", "interrupted", "start"]


@pytest.mark.slow
def test_a_job_whose_node_dies_starts_again_when_there_is_one(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path
) -> None:
    said = tmp_path / "said"

    def die_and_come_back() -> None:
        slurm.kill_node()
        slurm.said("scontrol", "update", f"NodeName={slurm.host}", "State=DOWN", "Reason=test")
        slurm.start_node_again()

    thread = when_started(said, die_and_come_back, slurm.hurry)

    assert by_number(launcher.map(steps.rest, [str(said)]))[0] in {0, 1}
    thread.join()
    assert said.read_text().split() == ["start", "start"]


@pytest.mark.slow
def test_a_job_whose_process_always_dies_is_given_up(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_SETTLE", 2.0)
    said = tmp_path / "said"

    assert by_number(launcher.map(steps.die, [str(said)])) == {0: Lost("killed", "its Slurm job ended as FAILED")}
    assert said.read_text().split() == ["x", "x"]
    assert [path.name for path in (tmp_path / "submitit").glob("*/*_log.err")]


@pytest.mark.slow
def test_a_job_that_its_owner_cancels_is_not_submitted_again(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_TO_SETTLE", 2.0)
    said = tmp_path / "said"
    thread = when_started(said, lambda: slurm.said("scancel", job_id(slurm)))

    assert by_number(launcher.map(steps.rest, [str(said)])) == {0: Lost("killed", "its Slurm job ended as CANCELLED")}
    thread.join()


@pytest.mark.slow
def test_an_interrupt_here_reaches_the_jobs_and_takes_back_those_that_wait(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path
) -> None:
    said = [tmp_path / "one", tmp_path / "two"]
    one_at_a_time = launcher.model_copy(update={"workers": 1})
    thread = when_started(said[0], lambda: os.kill(os.getpid(), signal.SIGINT))

    with pytest.raises(KeyboardInterrupt):
        list(one_at_a_time.map(steps.rest, [str(path) for path in said]))
    thread.join()
    assert said[0].read_text().split() == ["start", "interrupted"]
    assert not said[1].exists()
    assert slurm.said("squeue", "-h", "-t", "PENDING,RUNNING") == ""


@pytest.mark.slow
def test_a_cluster_that_takes_no_jobs_stops_the_study_resumably(
    slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path
) -> None:
    with pytest.raises(EnvironmentStop, match=r"Slurm did not take the jobs: .*[Pp]artition"):
        list(launcher.model_copy(update={"partition": "nowhere"}).map(steps.cores, [1]))
    assert list((tmp_path / "submitit").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x; touch MARK", "$(touch MARK)", "`touch MARK`", "x' touch MARK '"])
def test_a_name_is_never_a_command(
    name: str, slurm: SlurmCluster, steps: ModuleType, launcher: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = launcher.model_copy(update={"constraint": name, "folder": str(tmp_path / name)})

    with pytest.raises(EnvironmentStop):
        list(odd.map(steps.cores, [1]))
    assert not (tmp_path / "MARK").exists()


@pytest.mark.parametrize("value", ["a\nrm -rf x", "", "a\x00"])
def test_a_name_is_one_line(value: str) -> None:
    with pytest.raises(BadInput, match=r"'partition': must be one line of printable letters"):
        launcher_of("slurm", {"partition": value})


def test_without_submitit_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)

    with pytest.raises(BadInput) as error:
        Slurm().ready()
    assert str(error.value) == (
        "launcher 'slurm': needs submitit, which is not installed; pip install 'clinpeft[slurm]'"
    )


def test_a_machine_that_submits_no_jobs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: object())
    monkeypatch.setattr(module.shutil, "which", lambda _: None)

    with pytest.raises(BadInput) as error:
        Slurm().ready()
    assert str(error.value) == "launcher 'slurm': no `sbatch` is on this machine; log in where jobs are submitted"


def test_a_machine_whose_cluster_does_not_answer_stops_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: object())
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, code in (("sbatch", 0), ("sinfo", 1)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o700)

    with pytest.raises(EnvironmentStop, match="Slurm does not answer on this machine"):
        Slurm().ready()
    (tmp_path / "sinfo").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    Slurm().ready()


def test_a_job_told_to_stop_before_its_work_has_begun_goes_back_to_the_queue(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    from submitit.core.job_environment import SignalHandler
    from submitit.core.utils import DelayedSubmission, JobPaths

    delayed, paths, requeued = DelayedSubmission(module.InAJob(), len, "a job", {}), JobPaths(tmp_path, "1"), []
    delayed.set_timeout(60, 3)
    environment = SimpleNamespace(global_rank=0, _requeue=requeued.append)
    with pytest.raises(SystemExit):
        SignalHandler(environment, paths, delayed).checkpoint_and_try_requeue(signal.SIGUSR2)
    again = DelayedSubmission.load(paths.submitted_pickle)

    assert len(requeued) == 1
    assert isinstance(again.function, module.InAJob)
    assert again.args == (len, "a job", {})


SBATCH = """#!/bin/sh
echo x >> "{folder}/calls"
for script; do :; done
cp "$script" "{folder}/script"
echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2
exit 1
"""


def test_a_submission_that_times_out_is_not_made_again_and_a_job_that_was_taken_all_the_same_finds_nothing(
    launcher: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    (tmp_path / "bin").mkdir()
    for name in ("sbatch", "srun"):
        (tmp_path / "bin" / name).write_text(SBATCH.format(folder=tmp_path), encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    with pytest.raises(EnvironmentStop, match=r"Slurm did not take the jobs: .*timed out"):
        list(launcher.map(len, ["a job"]))
    assert (tmp_path / "calls").read_text() == "x\n"
    assert list((tmp_path / "submitit").iterdir()) == []
    lines = (tmp_path / "script").read_text().splitlines()
    assert "#SBATCH --requeue" in lines
    assert "#SBATCH --open-mode=append" in lines, "what a requeued job prints comes after what it had printed"


def test_without_jobs_nothing_is_submitted() -> None:
    assert list(Slurm(folder="/nowhere").map(len, [])) == []
