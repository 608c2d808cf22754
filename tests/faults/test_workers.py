"""Several processes at one study: one does the work, a stopped one cannot spoil what another has done."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import OFTEN, Zygote, assert_ended_well, events, is_stopped, results
from tests.faults.test_killed import AT_STEP, SLOWLY

if TYPE_CHECKING:
    from tests.conftest import Small

Launch = Callable[..., Any]

IMPATIENT = """
from clinpeft.runs import leases
leases.BEAT_SECONDS, leases.PATIENCE_SECONDS = 0.1, 1.5
"""
WORKER = """
import os, sys
from pathlib import Path
from clinpeft.runs import work
from clinpeft.runs.find import find
from clinpeft.runs.grid import plan
from clinpeft.runs.store import Store
from clinpeft.spec import Study
os.umask(0o077)
file, out = Path(sys.argv[2]), Path(sys.argv[4])
own = out.with_name(f"own-{os.getpid()}")  # Only the process that holds a study builds the study's datasets.
store, planned = Store(out), plan(find(Study.read(file), file.parent, (), own))
for run in planned.runs:
    print(run.spec.method.name, work.carry_out((store, run, planned)).status, file=sys.stderr, flush=True)
os._exit(0)
"""
"""Carries out every run of a planned study, as a launcher's worker does: nothing holds the study's folder."""
STOPPED = """
import os, signal
from clinpeft.runs import work
plain, seen = work.execute, []
def execute(job, folder):
    record = plain(job, folder)
    if job.planned.spec.method.name == "lora":
        os.kill(os.getpid(), signal.SIGSTOP)
    return record
work.execute = execute
"""
"""Just before the run of LoRA is committed, the worker is stopped."""
PLANNED_ONLY = """
from clinpeft.runs import sweep
sweep._Stages._train = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
"""


def plan_only(small: Small, launch: Launch) -> None:
    assert launch(small, PLANNED_ONLY).code() == 130


def test_of_eight_commands_at_once_one_does_the_work_and_the_others_name_it(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    processes = [launch(tinier, SLOWLY.format(seconds=0)) for _ in range(8)]
    codes = [process.code() for process in processes]
    others = [process.said() for process, code in zip(processes, codes, strict=True) if code == 3]

    # A command that came after the first had ended found everything done.
    assert codes.count(0) + codes.count(3) == 8, [process.said() for process in processes]
    assert codes.count(0) >= 1
    assert all("the study is running (" in said for said in others)
    assert events(tinier)["started"] == 3
    needed = sum(record.work.steps for record in tinier.store.records() if record.work)
    assert sum(process.said().count("a step") for process in processes) == needed
    assert_ended_well(tinier, whole)


def test_when_the_holder_is_killed_another_takes_over_at_once(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    holder = launch(tinier, OFTEN + SLOWLY.format(seconds=0.2))
    holder.wait_for(lambda: "a step" in holder.said())
    refused = launch(tinier)
    assert refused.code() == 3
    assert f"process {holder.pid}" in refused.said()
    holder.send(signal.SIGKILL)
    holder.code()

    assert launch(tinier).code() == 0
    assert_ended_well(tinier, whole)


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(STOPPED, id="before it commits"),
        pytest.param(OFTEN + AT_STEP.format(step=3, signal="SIGSTOP"), id="as it trains", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_worker_that_revives_cannot_commit_what_another_has_done_since(
    where: str, tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    plan_only(tinier, launch)
    first = launch(tinier, IMPATIENT + where + WORKER)
    first.wait_for(lambda: "majority" in first.said() and is_stopped(first))
    second = launch(tinier, IMPATIENT + WORKER)
    assert second.code() == 0, second.said()
    before = results(tinier)
    records = {record.run: record for record in tinier.store.records()}
    first.send(signal.SIGCONT)

    assert first.code() == 0, first.said()
    assert "lora success" in first.said(), "it returns what the other has done"
    assert results(tinier) == before
    assert {record.run: record for record in tinier.store.records()} == records
    assert events(tinier)["finished"] == 3
    assert [path.name for path in (tinier.out / "runs").iterdir() if path.name.startswith(".")] == []
    assert launch(tinier).code() == 0
    assert_ended_well(tinier, whole)


@pytest.mark.slow
def test_workers_side_by_side_share_the_runs_and_do_none_twice(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    plan_only(tinier, launch)
    workers = [launch(tinier, IMPATIENT.replace("1.5", "60.0") + WORKER) for _ in range(4)]

    assert [worker.code() for worker in workers] == [0] * 4
    assert events(tinier)["started"] == 3
    assert launch(tinier).code() == 0
    assert_ended_well(tinier, whole)


CLOCKS = {
    "a day back": "-1d",
    "ten years on": "+10y",
    "1970": "@1970-01-02 00:00:00",
    "daylight saving": "@2026-03-29 00:59:58",
}
STEPPING = """
import os
from pathlib import Path
from clinpeft.train import loop
offered, steps = loop._save, [0]
clock = Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
def save(state, checkpoints, interruption):
    offered(state, checkpoints, interruption)
    steps[0] += 1
    clock.write_text(("{there}", "+0d")[steps[0] % 2])
    if steps[0] == 5:
        os._exit(77)
loop._save = save
"""
"""The clock goes there and back after every step, and the process ends at the fifth."""


@pytest.mark.slow
@pytest.mark.parametrize("there", CLOCKS.values(), ids=CLOCKS)
def test_a_clock_that_steps_changes_nothing(
    there: str, tinier: Small, whole: dict[str, bytes], launch: Launch, stepping: Zygote
) -> None:
    first = launch(tinier, OFTEN + STEPPING.format(there=there), by=stepping)
    assert first.code() == 77, first.said()
    steps = {int(path.name[5:]) for path in tinier.out.glob("checkpoints/*/step-*")}
    again = launch(tinier, OFTEN + STEPPING.format(there=there).replace("== 5", "== -1"), by=stepping)
    assert again.code() == 0, again.said()

    assert steps == {4, 5}, "the last two by step"
    assert_ended_well(tinier, whole)
    costs = [cost.value for record in tinier.store.records() for cost in record.cost.values()]
    assert all(value is None or value >= 0 for value in costs)
