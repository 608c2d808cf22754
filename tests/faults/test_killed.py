"""A study that is killed or stopped anywhere goes on with the same command and ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import OFTEN, assert_ended_well, events, results

if TYPE_CHECKING:
    from tests.conftest import Small

Launch = Callable[..., Any]

AT_STEP = """
import os, signal
from clinpeft.train import loop
offered, steps = loop._save, [0]
def save(state, checkpoints, interruption):
    offered(state, checkpoints, interruption)
    steps[0] += 1
    if steps[0] == {step}:
        os.kill(os.getpid(), signal.{signal})
loop._save = save
"""
"""A signal from within, when so many steps of the process are saved."""
SLOWLY = """
import sys, time
from clinpeft.train import loop
plain = loop._backward
def backward(*arguments):
    print("a step", file=sys.stderr, flush=True)
    time.sleep({seconds})
    return plain(*arguments)
loop._backward = backward
"""


@pytest.mark.parametrize("step", [pytest.param(2, marks=pytest.mark.slow), 3, pytest.param(8, marks=pytest.mark.slow)])
def test_killed_at_a_step_it_goes_on_from_there(
    step: int, tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    assert launch(tinier, OFTEN + AT_STEP.format(step=step, signal="SIGKILL")).code() == -signal.SIGKILL
    left = [path.name for path in (tinier.out / "checkpoints").glob("*/step-*")]
    again = launch(tinier)

    assert left
    assert again.code() == 0, again.said()
    assert events(tinier)["started"] == 3, "no run started again"
    assert events(tinier)["leased"] == 4
    assert_ended_well(tinier, whole)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_first_signal_lets_the_step_end_and_be_saved(
    number: signal.Signals, code: int, tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    process = launch(tinier, SLOWLY.format(seconds=0.3))
    process.wait_for(lambda: "a step" in process.said())
    process.send(number)
    ended = process.code(30)
    is_given_back = not list(tinier.out.glob("leases/*"))
    again = launch(tinier)
    assert again.code() == 0, again.said()

    assert ended == code, process.said()
    assert is_given_back
    assert process.said().endswith("the same command goes on from here\n")
    assert events(tinier)["checkpointed"] == 1
    assert events(tinier)["started"] == 3, "the run went on from its checkpoint"
    assert_ended_well(tinier, whole)


def test_a_second_signal_ends_it_at_once(tinier: Small, whole: dict[str, bytes], launch: Launch) -> None:
    process = launch(tinier, SLOWLY.format(seconds=60))
    process.wait_for(lambda: "a step" in process.said())
    process.send(signal.SIGINT)
    process.wait_for(lambda: "once more stops at once" in process.said())
    assert not process.ends_within(0.3)
    process.send(signal.SIGINT)

    assert process.code(10) == 130
    assert "the same command goes on from here" in process.said()
    assert launch(tinier).code() == 0
    assert_ended_well(tinier, whole)


@pytest.mark.slow
def test_fifty_kills_lose_nothing_and_do_nothing_twice(small: Small, launch: Launch, capsys: Any) -> None:
    """The process group is killed at random moments of start-up, training and commit, fifty times; then it may end."""
    small.write_notes(96)
    small.write(methods=["lora", "full", "bitfit", "head-only"], seeds=[1, 2, 3], train={"epochs": 3, "batch_size": 8})
    code = SLOWLY.format(seconds=0.1) + OFTEN
    assert launch(small).code() == 0
    whole = results(small)
    small.out.rename(small.folder / "undisturbed")
    chance, kills, done, steps, taken = random.Random(1), 0, 0, 0, 0
    for _ in range(50):
        process = launch(small, code)
        if kills % 3:
            process.wait_for(lambda process=process: "a step" in process.said())
        assert not process.ends_within(chance.uniform(0, 0.8)), "the study is too small for fifty kills"
        process.send(signal.SIGKILL)
        process.code()
        kills, taken = kills + 1, taken + process.said().count("a step")
        if (small.out / "study.yaml").exists():
            now, reached = len(small.store.runs()), events(small)["checkpointed"]
            assert now >= done, "a finished run was lost"
            assert reached >= steps, "the journal was lost"
            done, steps = now, reached
    again = launch(small, SLOWLY.format(seconds=0))

    assert again.code() == 0, again.said()
    assert_ended_well(small, whole)
    assert Counter(row["run"] for row in small.store.index.rows()) == dict.fromkeys(small.store.runs(), 1)
    needed = sum(record.work.steps for record in small.store.records() if record.work)
    redone = taken + again.said().count("a step") - needed
    assert 0 <= redone <= kills, "more than the step under way was lost with a kill"
    with capsys.disabled():
        num_runs = len(small.store.runs())
        print(f"\n{kills} kills survived; 0 of {num_runs} runs lost, 0 duplicated; {done} ended between the kills")
        print(f"{redone} of {needed} steps redone")
