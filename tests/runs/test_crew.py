"""A run shared out over two processes: the same results, one record, and an end for all where one of them fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import torch

from clinpeft.errors import BadInput
from clinpeft.launchers.base import PROCESSES, SHARDS, launcher_of
from clinpeft.launchers.local import Local
from clinpeft.launchers.pool import Pool

if TYPE_CHECKING:
    from tests.conftest import Small

PATCHES = """
import os, signal, time
if "CLINPEFT_TEST_MATE" in os.environ:
    import torch
    torch.nn.Dropout.forward = lambda self, states: states
    import clinpeft.train.shares as shares
    plain, what, left = shares.Following.gather, os.environ["CLINPEFT_TEST_MATE"], [2]
    def gather(self, loss):
        left[0] -= 1
        if left[0] == 0 and what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if left[0] == 0 and what == "memory":
            raise MemoryError
        if what.startswith("/"):
            with open(what, "a") as file:
                file.write(".")
            time.sleep(0.05)
        return plain(self, loss)
    shares.Following.gather = gather
    if what == "scoring":
        import clinpeft.train.loop as loop
        loop.go_along = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
"""


LOST = "one of its 2 processes: its process was ended by SIGKILL"
OUT = "the machine's memory ran out"


@pytest.fixture
def shared(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """A study of one run, for processes without dropout: every process would draw its own masks."""
    (tmp_path / "sitecustomize.py").write_text(PATCHES, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CLINPEFT_TEST_MATE", "well")
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, states: states)
    small.write(
        methods=["bitfit"], baselines=[], keep="all", train={"epochs": 2, "precision": "fp32", "dropout": "none"}
    )
    return small


def children() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [child for child in found if "clinpeft.launchers._process" in " ".join(child.cmdline())]


def scores(small: Small) -> np.ndarray:
    (path,) = (small.out / "runs").glob("*/predictions-test.parquet")
    table = pq.read_table(path)
    order = np.argsort(table["example"].to_pylist())
    return np.stack([table[name].to_numpy() for name in ("score_0", "score_1")], axis=1)[order]


@pytest.mark.parametrize("shard_weights", [False, True])
def test_a_run_over_two_processes_gives_what_one_gives_and_says_so(
    shared: Small, tmp_path: Path, shard_weights: bool
) -> None:
    shared.run()
    alone, expected = shared.records()["bitfit"], scores(shared)
    shared.run_folder("bitfit").rename(tmp_path / "before")
    outcome = shared.run(launcher=Local(processes_per_run=2, shard_weights=shard_weights))
    record = shared.records()["bitfit"]

    assert (outcome.num_trained, outcome.num_failed, record.run) == (1, 0, alone.run)
    np.testing.assert_allclose(scores(shared), expected, atol=1e-5)
    assert record.work == alone.work
    assert record.environment is not None
    told = ", 2 processes, frozen weights in shards" if shard_weights else ", 2 processes"
    assert record.environment.versions["engine"].endswith(told)
    assert (record.parameters, record.cost["flops"], set(record.files)) == (
        alone.parameters,
        alone.cost["flops"],
        set(alone.files),
    )
    assert (record.environment.micro_batch, record.environment.deterministic) == (8, False)
    beside = record.cost["peak_host_bytes"].value - alone.cost["peak_host_bytes"].value  # type: ignore[operator]
    assert beside > 200e6, "the second process, which holds torch too, is not counted"
    assert not children()
    assert not {PROCESSES, SHARDS} & set(os.environ)


@pytest.mark.parametrize(
    ("what", "shard_weights", "status", "code", "message"),
    [
        ("killed", False, "failed", "killed", LOST),
        pytest.param("killed", True, "failed", "killed", LOST, marks=pytest.mark.slow),
        pytest.param("scoring", True, "failed", "killed", LOST, marks=pytest.mark.slow),
        pytest.param("memory", False, "out_of_memory", "oom_host", OUT, marks=pytest.mark.slow),
        pytest.param("memory", True, "out_of_memory", "oom_host", OUT, marks=pytest.mark.slow),
    ],
)
def test_a_process_that_fails_ends_the_run_with_its_reason(
    shared: Small,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    shard_weights: bool,
    status: str,
    code: str,
    message: str,
) -> None:
    monkeypatch.setenv("CLINPEFT_TEST_MATE", what)
    outcome = shared.run(launcher=Local(processes_per_run=2, shard_weights=shard_weights))
    record = shared.records()["bitfit"]

    assert (outcome.num_failed, record.status) == (1, status)
    assert record.reason is not None
    assert (record.reason.code, record.reason.message) == (code, message)
    assert not children()


def test_every_launcher_can_share_a_run_out_and_refuses_none_at_all() -> None:
    for name in ("local", "pool", "slurm", "ray"):
        assert launcher_of(name, {"processes_per_run": "2"}).model_dump()["processes_per_run"] == 2
        with pytest.raises(BadInput, match="processes_per_run"):
            launcher_of(name, {"processes_per_run": "0"})
        with pytest.raises(BadInput, match="set processes_per_run too"):
            launcher_of(name, {"shard_weights": "true"})


def test_what_trains_every_weight_is_refused_in_shards_before_anything_is_trained(shared: Small) -> None:
    shared.write(methods=["bitfit", "full"], baselines=[])
    with pytest.raises(BadInput, match="'full' trains every weight"):
        shared.run(launcher=Local(processes_per_run=2, shard_weights=True))
    assert not list(shared.out.glob("runs/*"))


def test_a_pool_gives_the_processes_of_a_run_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    places = Pool(processes_per_run=2, shard_weights=True).places(9)

    assert places == [
        ((0, 1), {PROCESSES: "2", SHARDS: "1", "CUDA_VISIBLE_DEVICES": "0,1"}),
        ((2, 3), {PROCESSES: "2", SHARDS: "1", "CUDA_VISIBLE_DEVICES": "2,3"}),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("shard_weights", [False, True])
def test_an_interrupted_run_over_two_processes_goes_on_to_the_same_results(
    shared: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_weights: bool
) -> None:
    launcher = Local(processes_per_run=2, shard_weights=shard_weights)
    shared.write(methods=["bitfit"], baselines=[], keep="all", train={"epochs": 40, "early_stopping_patience": None})
    words = ["--launcher", "pool", "--workers", "1", "--set", "processes_per_run=2"]
    words += ["--set", f"shard_weights={shard_weights}"]
    command = [sys.executable, "-m", "clinpeft.cli", "run", str(shared.file), "--out", str(shared.out), *words]
    path, steps = os.pathsep.join(sys.path), tmp_path / "steps"
    monkeypatch.setenv("CLINPEFT_TEST_MATE", str(steps))
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": path}
    )
    started, end = [], time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end and not (steps.exists() and steps.stat().st_size > 9):
        started = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert len(started) == 2
    assert list(shared.out.glob("checkpoints/*/step-*"))
    monkeypatch.setenv("CLINPEFT_TEST_MATE", "well")
    assert not any(child.is_running() for child in started)

    assert shared.run(launcher=launcher).num_failed == 0, shared.records()["bitfit"].reason
    expected = scores(shared)
    shared.run_folder("bitfit").rename(tmp_path / "before")
    shared.run(launcher=launcher)
    np.testing.assert_array_equal(scores(shared), expected)
