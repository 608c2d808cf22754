"""Functions that jobs can do in a process that knows nothing of this one but its paths; a cluster of Slurm's."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import psutil
import pytest

JOBS = '''
import os, signal, subprocess, sys, time
from pathlib import Path


def die_on_first_try(path):
    """Of a process that is killed, once."""
    path = Path(path)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second try"


def die_and_count(path):
    with open(path, "a") as file:
        file.write("x")
    os.abort()


def die_at_two(job):
    if job == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return job


def where(job):
    time.sleep(0.3)
    return [os.getpid(), sorted(os.sched_getaffinity(0)), os.environ.get("CUDA_VISIBLE_DEVICES")]


def say(path):
    """Leaves its process's number, and then one letter more for every interrupt; three are enough."""
    Path(path).write_text(f"{os.getpid()} ")
    for _ in range(3):
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            with open(path, "a") as file:
                file.write("i")
            if not path.endswith("stubborn"):
                raise


def leave_orphans(path):
    """Two grandchildren that would outlive their parent, one in a session of its own, and then the parent's end."""
    words = [sys.executable, "-c", "import time; time.sleep(600)"]
    children = [subprocess.Popen(words, start_new_session=is_apart) for is_apart in (False, True)]
    Path(path).write_text(" ".join(str(child.pid) for child in children))
    os._exit(3)


def print_much(megabytes):
    for _ in range(megabytes):
        print("x" * 2**20)
        print("x" * 2**20, file=sys.stderr)


def compute(seconds):
    """At work, and then done."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "done"


class Odd(Exception):
    """Cannot be sent: it is made from two values and remembers one."""

    def __init__(self, first, second):
        super().__init__(first)


def raise_odd(job):
    raise Odd("zqxcanary", 2)
'''


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of these functions."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "clinpeft_test_jobs.py").write_text(JOBS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "jobs")
    sys.modules.pop("clinpeft_test_jobs", None)
    return importlib.import_module("clinpeft_test_jobs")


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Whether a process is there, and not only its number."""

    def alive(pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state not in "ZX"

    return alive


SLURM_CONF = """
ClusterName=clinpeft
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,bf_interval=2,requeue_delay=1
ReturnToService=2
KillWait=15
MinJobAge=120
SlurmdTimeout=20
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=15
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
"""


class SlurmCluster:
    """munged, slurmctld and one slurmd of four slots on this machine, their files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.conf, self.running = folder, folder / "slurm.conf", {}
        self.host = socket.gethostname().partition(".")[0]
        for name in ("state", "spool"):
            (folder / name).mkdir()
        ports = [_free_port(), _free_port()]
        self.conf.write_text(
            SLURM_CONF.format(folder=folder, host=self.host, controller_port=ports[0], node_port=ports[1])
        )
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)

    def start(self) -> None:
        """Until the node is idle."""
        files = [f"--{name}={self.folder}/munge.{name.partition('-')[0]}" for name in ("key-file", "pid-file")]
        files += [f"--socket={self.folder}/munge.socket", f"--log-file={self.folder}/munge.log"]
        self._run("munged", "--foreground", "--force", f"--seed-file={self.folder}/munge.seed", *files)
        self._until(lambda: (self.folder / "munge.socket").exists(), "munged did not start")
        self._run("slurmctld", "-D")
        self.start_node()

    def start_node(self) -> None:
        self._run("slurmd", "-D", "-N", self.host)
        self._until(lambda: "idle" in self.said("sinfo", "-h", "-o", "%T"), "the node did not get ready")

    def hurry(self) -> None:
        """Slurm lets a requeued job rest for two minutes; nothing is gained by that here."""
        for name in self.said("squeue", "-h", "-r", "-t", "PENDING", "-o", "%i").split():
            self.said("scontrol", "update", f"JobId={name}", "StartTime=now")

    def start_node_again(self) -> None:
        """After `kill_node`, once the cluster has noticed."""
        time.sleep(3)
        self._run("slurmd", "-D", "-N", self.host)
        time.sleep(1)
        self.said("scontrol", "update", f"NodeName={self.host}", "State=RESUME")

    def kill_node(self) -> None:
        """As when the machine of the node dies: slurmd and all that it had started."""
        slurmd = self.running.pop("slurmd")
        slurmd.kill()
        slurmd.wait()
        steps = [process for process in psutil.process_iter(["name"]) if process.info["name"] == "slurmstepd"]
        steps = [process for process in steps if str(self.conf) in _environment_of(process)]
        # The steps first: else they tell that their jobs have failed.
        children = [child for step in steps for child in step.children(recursive=True)]
        for process in (*steps, *children):
            process.kill()

    def said(self, *words: str) -> str:
        """What a command of Slurm's prints."""
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False).stdout

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def stop(self) -> None:
        self.said("scancel", "--user=root")
        for name in ("slurmd", "slurmctld", "munged"):
            if process := self.running.pop(name, None):
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _run(self, *words: str) -> None:
        with (self.folder / f"{words[0]}.out").open("ab") as log:
            self.running[words[0]] = subprocess.Popen(words, env=self.environment, stdout=log, stderr=log)

    def _until(self, condition: Callable[[], bool], problem: str) -> None:
        end = time.monotonic() + 60
        while not condition():
            if time.monotonic() > end:
                logs = {path.name: path.read_text(errors="replace")[-1500:] for path in self.folder.glob("*.log")}
                raise RuntimeError(f"{problem}: {logs}")
            time.sleep(0.3)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A cluster of one node on this machine, for this session."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("munged", "slurmctld", "slurmd", "sbatch")):
        pytest.skip("needs Slurm and munge installed (apt-get install slurm-wlm munge), and root to start them")
    pytest.importorskip("submitit")
    # A socket's path may have 107 letters.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = SlurmCluster(folder)
    try:
        cluster.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(cluster.conf))
            yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment_of(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("SLURM_CONF"))
    except psutil.Error:
        return ""
