"""Every fault at every phase: the same command then goes on and ends as if nothing had happened."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import OFTEN, assert_ended_well, events

if TYPE_CHECKING:
    from tests.conftest import Small

Launch = Callable[..., Any]

FAULTS = {
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "terminated": ("os.kill(os.getpid(), signal.SIGTERM)", 143),
    "interrupted": ("os.kill(os.getpid(), signal.SIGINT)", 130),
    "disk full": ("raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'a file')", 3),
    "disk broken": ("raise OSError(errno.EIO, os.strerror(errno.EIO))", 3),
    "out of memory": ("raise MemoryError", None),
    "a mistake": ("raise LookupError", None),
}
"""What happens, and what the command then ends with: None where a run may fail while the study goes on."""

PHASES = {
    "dataset is built": ("clinpeft.data.build", "write_examples", "before"),
    "texts are encoded": ("clinpeft.data.tokenize", "Encoder.encode", "before"),
    "study is noted": ("clinpeft.runs.store", "Store.adopt", "before"),
    "run is leased": ("clinpeft.runs.leases", "Lease.__init__", "after"),
    "model is loaded": ("clinpeft.runs.execute", "load", "before"),
    "checkpoint begins": ("clinpeft.train.checkpoint", "write_state", "before"),
    "checkpoint's tensors": ("clinpeft.train.checkpoint", "_write", "before"),
    "checkpoint's manifest": ("clinpeft.train.checkpoint", "_write_tensors", "after"),
    "checkpoint's name": ("clinpeft.train.checkpoint", "write_state", "after"),
    "epoch is judged": ("clinpeft.runs.scoring", "score", "before"),
    "predictions": ("clinpeft.runs.scoring", "write_predictions", "after"),
    "run's name": ("clinpeft.files", "_swap", "before"),
    "run's end is noted": ("clinpeft.runs.store", "Store._note_end", "before"),
    "run's checkpoints go": ("clinpeft.runs.store", "Store.discard_checkpoints", "before"),
    "line of the journal": ("clinpeft.runs.journal", "Journal._write", "before"),
    "index": ("clinpeft.runs.store", "Store.write_index", "before"),
    "report": ("clinpeft.api", "write_report", "before"),
}
"""A function, and whether the fault comes before or after it: at its third call, or at its only one."""

HAPPENING = """
import errno, importlib, os, signal
owner = importlib.import_module("{module}")
*path, name = "{name}".split(".")
for part in path:
    owner = getattr(owner, part)
plain, calls = getattr(owner, name), [0]
def fault():
    calls[0] += 1
    if calls[0] == {at}:
        {fault}
def faulty(*arguments, **options):
    if "{when}" == "before":
        fault()
    result = plain(*arguments, **options)
    if "{when}" == "after":
        fault()
    return result
setattr(owner, name, faulty)
"""
SOON = {"dataset is built", "study is noted", "report", "model is loaded", "texts are encoded", "run is leased"}
"""Phases whose first call is the one that counts."""


def happen(phase: str, fault: str) -> str:
    module, name, when = PHASES[phase]
    at = 1 if phase in SOON else 3
    return OFTEN + HAPPENING.format(module=module, name=name, when=when, at=at, fault=FAULTS[fault][0])


def check(phase: str, fault: str, small: Small, whole: dict[str, bytes], launch: Launch) -> None:
    process = launch(small, happen(phase, fault))
    code, expected = process.code(), FAULTS[fault][1]
    assert "Traceback" not in process.said()
    if expected is not None:
        assert code == expected, process.said()
    else:
        assert code in {1, 70}, process.said()
    if (small.out / "study.yaml").exists():
        assert all(small.store.is_sound(run) for run in small.store.runs())
    again = launch(small, "", "--retry-failed")

    assert again.code() == 0, again.said()
    if expected is None:
        from tests.faults.conftest import leftovers, results

        assert results(small) == whole
        assert leftovers(small) == []
    else:
        assert_ended_well(small, whole)
    assert events(small)["finished"] >= 3


FAST = [("killed", "run's end is noted"), ("disk full", "checkpoint's tensors")]


@pytest.mark.parametrize(("fault", "phase"), FAST)
def test_a_fault_at_a_phase(fault: str, phase: str, tinier: Small, whole: dict[str, bytes], launch: Launch) -> None:
    check(phase, fault, tinier, whole, launch)


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_at_every_phase(
    fault: str, phase: str, tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    check(phase, fault, tinier, whole, launch)
