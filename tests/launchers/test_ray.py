"""Tasks of a real Ray cluster of two nodes, started by the test; its processes are killed one after the other."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from clinpeft.errors import BadInput
from clinpeft.launchers import _ray_cluster
from clinpeft.launchers import ray as module
from clinpeft.launchers.base import Ended, Lost
from clinpeft.launchers.ray import Ray
from clinpeft.testing import check_launcher

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (pip install 'clinpeft[ray]')")

STEPS = '''
import os, time


def said(path, word):
    with open(path, "a") as file:
        file.write(word + " ")


def rest(path):
    """Ends at its second start; at the first it waits to be stopped."""
    starts = open(path).read().count("start") if os.path.exists(path) else 0
    said(path, f"start {os.getpid()}")
    if starts:
        return "second start"
    try:
        for _ in range(3000):
            time.sleep(0.1)
    except KeyboardInterrupt:
        said(path, "interrupted")
        raise


def die(path):
    said(path, "x")
    os._exit(3)


def share(job):
    return [os.environ["CLINPEFT_CORES"], os.environ.get("CLINPEFT_TOLD")]
'''


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Functions for tasks; Ray's processes find them by PYTHONPATH."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "clinpeft_ray_steps.py").write_text(STEPS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "steps")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "steps"))
    sys.modules.pop("clinpeft_ray_steps", None)
    return importlib.import_module("clinpeft_ray_steps")


@pytest.fixture
def cluster(steps: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head and a second node, one core each, which ask for the token that is known here."""
    with _ray_cluster._environment(is_ours=True, retries=1):
        from ray.cluster_utils import Cluster

        monkeypatch.setenv(module.TOKEN, _ray_cluster._own_token())
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        made.add_node(num_cpus=1)
        yield made
        made.shutdown()


def by_number(ends: Iterator[Ended]) -> dict[int, Any]:
    return {ended.number: ended.lost or ended.value for ended in ends}


def when_started(path: Path, act: Callable[[int], object]) -> threading.Thread:
    """Does something with the process of a task as soon as the task has said that it started."""

    def wait_and_act() -> None:
        end = time.monotonic() + 120
        while not (path.exists() and len(path.read_text().split()) >= 2) and time.monotonic() < end:
            time.sleep(0.1)
        act(int(path.read_text().split()[1]))

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


@pytest.mark.slow
@needs_ray
def test_a_cluster_of_its_own_keeps_the_promises_of_a_launcher_and_to_itself() -> None:
    """It listens on the loopback only, and turns away whoever has no token."""
    before = signal.getsignal(signal.SIGTERM)
    with Ray().opened():
        import ray

        results = check_launcher(Ray)
        address = ray.get_runtime_context().gcs_address
        own = [psutil.Process(), *psutil.Process().children(recursive=True)]
        places = {one.laddr.ip for process in own for one in connections(process) if one.status == "LISTEN"}
        code = f"import ray; ray.init(address={address!r}, log_to_driver=False); print('connected')"
        stranger = {**os.environ, "HOME": "/nonexistent", module.TOKEN: "0" * 64}
        done = subprocess.run([sys.executable, "-c", code], env=stranger, capture_output=True, text=True, check=False)

    assert [f"{result.name}: {result.detail}" for result in results if not result.passed] == []
    assert len(results) == 8
    assert places
    assert places <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert done.returncode != 0
    assert "connected" not in done.stdout
    assert signal.getsignal(signal.SIGTERM) == before
    assert not ray.is_initialized()
    assert module.MODE not in os.environ


def connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections(kind="inet"))
    except psutil.Error:
        return []


@pytest.mark.slow
@needs_ray
def test_a_task_knows_its_share_and_what_was_set_here(
    cluster: Any, steps: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINPEFT_TOLD", "yes")

    assert by_number(Ray(address=cluster.address).map(steps.share, range(2))) == {0: ["1", "yes"], 1: ["1", "yes"]}


@pytest.mark.slow
@needs_ray
def test_a_task_whose_process_is_killed_starts_again(cluster: Any, steps: ModuleType, tmp_path: Path) -> None:
    said = tmp_path / "said"
    thread = when_started(said, lambda pid: os.kill(pid, signal.SIGKILL))

    assert by_number(Ray(address=cluster.address).map(steps.rest, [str(said)])) == {0: "second start"}
    thread.join()


@pytest.mark.slow
@needs_ray
def test_a_task_whose_process_always_dies_is_given_up(cluster: Any, steps: ModuleType, tmp_path: Path) -> None:
    said = tmp_path / "said"

    assert by_number(Ray(address=cluster.address).map(steps.die, [str(said)])) == {
        0: Lost("killed", "its process ended before it did")
    }
    assert said.read_text().split() == ["x", "x"]


@pytest.mark.slow
@needs_ray
def test_a_task_whose_node_dies_starts_again_on_another(cluster: Any, steps: ModuleType, tmp_path: Path) -> None:
    """Two tasks, a core each: one of them is on the node whose raylet is killed, which is not this process's own."""
    said = [tmp_path / "one", tmp_path / "two"]
    launcher = Ray(address=cluster.address)
    with launcher.opened():
        import ray

        here = ray.get_runtime_context().get_node_id()
        [other] = [node for node in (cluster.head_node, *cluster.worker_nodes) if node.node_id != here]
        raylet = other.all_processes["raylet"][0].process.pid

        def kill_both(_: int) -> None:
            when_started(said[1], lambda _: os.kill(raylet, signal.SIGKILL)).join()
            for path in said:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(path.read_text().split()[1]), signal.SIGKILL)

        thread = when_started(said[0], kill_both)
        answers = by_number(launcher.map(steps.rest, [str(path) for path in said]))
        thread.join()
    assert answers == {0: "second start", 1: "second start"}


@pytest.mark.slow
@needs_ray
def test_an_interrupt_here_reaches_the_tasks(cluster: Any, steps: ModuleType, tmp_path: Path) -> None:
    said = tmp_path / "said"
    thread = when_started(said, lambda _: os.kill(os.getpid(), signal.SIGINT))

    with pytest.raises(KeyboardInterrupt):
        list(Ray(address=cluster.address).map(steps.rest, [str(said)]))
    thread.join()
    assert said.read_text().split()[2:] == ["interrupted"]


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)

    with pytest.raises(BadInput) as error:
        Ray().ready()
    assert str(error.value) == "launcher 'ray': needs Ray, which is not installed; pip install 'clinpeft[ray]'"


def test_a_cluster_without_a_known_token_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: object())
    monkeypatch.delenv(module.TOKEN, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))

    with pytest.raises(BadInput, match="the token of the cluster is not known here"):
        Ray(address="auto").ready()
    (tmp_path / "none").write_text("0" * 64)
    Ray(address="auto").ready()


def test_without_jobs_no_cluster_is_started() -> None:
    assert list(Ray().map(len, [])) == []
