"""Every fault at every phase: the same command then goes on and ends as if nothing had happened."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import OFTEN, Zygote, assert_ended_well, events, is_stopped, leftovers, results

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
    "power cut": ("power_cut()", -signal.SIGKILL),
    "stopped for a while": ("os.kill(os.getpid(), signal.SIGSTOP)", 0),
    "clock a day back": ("Path(os.environ['FAKETIME_TIMESTAMP_FILE']).write_text('-1d')", 0),
}
"""What happens, and what the command then ends with: None where a run may fail while the study goes on."""

UNSAFE_POWER = """
import os, signal, sys
from pathlib import Path
safe, synced = {{}}, os.fsync
def fsync(descriptor):
    synced(descriptor)
    facts = os.fstat(descriptor)
    safe[facts.st_ino] = facts.st_size, facts.st_mtime_ns
os.fsync = fsync
def power_cut():
    for path in Path(sys.argv[4]).rglob("*"):
        facts = path.stat()
        if path.is_file() and safe.get(facts.st_ino) != (facts.st_size, facts.st_mtime_ns):
            os.truncate(path, 0)
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""Of a file that was not brought to the disk since it was last written nothing is left but its name."""

PHASES = {
    "dataset is built": ("clinpeft.data.build", "write_examples", "before"),
    "texts are encoded": ("clinpeft.data.tokenize", "Encoder.encode", "before"),
    "study is noted": ("clinpeft.runs.store", "Store.adopt", "before"),
    "run is leased": ("clinpeft.runs.leases", "Lease.__init__", "after"),
    "model is loaded": ("clinpeft.runs.setup", "load", "before"),
    "checkpoint begins": ("clinpeft.train.checkpoint", "write_state", "before"),
    "checkpoint's tensors": ("clinpeft.train.checkpoint", "_write", "before"),
    "checkpoint's manifest": ("clinpeft.train.checkpoint", "_write_tensors", "after"),
    "checkpoint's name": ("clinpeft.train.checkpoint", "write_state", "after"),
    "epoch is judged": ("clinpeft.runs.scoring", "score", "before"),
    "predictions": ("clinpeft.runs.scoring", "write_predictions", "after"),
    "weights are written": ("clinpeft.runs.execute", "_save", "before"),
    "a file reaches the disk": ("clinpeft.files", "_sync", "before"),
    "run's name": ("clinpeft.files", "_swap", "before"),
    "run's end is noted": ("clinpeft.runs.store", "Store._note_end", "before"),
    "lease is given back": ("clinpeft.runs.leases", "Lease.release", "before"),
    "run's checkpoints go": ("clinpeft.runs.store", "Store.discard_checkpoints", "before"),
    "line of the journal": ("clinpeft.runs.journal", "Journal._write", "before"),
    "index": ("clinpeft.runs.index", "Index.write", "before"),
    "report": ("clinpeft.api", "write_report", "before"),
}
"""A function, and whether the fault comes before or after it: at its third call, or at its only one."""

HAPPENING = """
import errno, importlib, os, signal
from pathlib import Path
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
SOON = {
    *("dataset is built", "study is noted", "report", "model is loaded", "texts are encoded", "run is leased"),
    "weights are written",
}
"""Phases whose first call is the one that counts."""


def happen(phase: str, fault: str) -> str:
    module, name, when = PHASES[phase]
    at = 1 if phase in SOON else 3
    prepared = UNSAFE_POWER.format() if fault == "power cut" else ""
    return OFTEN + prepared + HAPPENING.format(module=module, name=name, when=when, at=at, fault=FAULTS[fault][0])


def check(
    phase: str, fault: str, small: Small, whole: dict[str, bytes], launch: Launch, by: Zygote | None = None
) -> None:
    process = launch(small, happen(phase, fault), by=by)
    if fault == "stopped for a while":
        process.wait_for(lambda: is_stopped(process), 120)
        # It lives, so nobody may take its place; with the last phase it has given the folder back.
        assert launch(small).code() == (0 if phase == "report" else 3)
        process.send(signal.SIGCONT)
    code, expected = process.code(), FAULTS[fault][1]
    assert "Traceback" not in process.said()
    if expected is not None:
        assert code == expected, process.said()
    elif code == 0:
        # Begun again with smaller parts of the batches, a run comes to other last bits.
        assert "memory ran out; half as many examples pass at once now" in process.said()
        assert {record.status for record in small.store.records()} == {"success"}
        assert leftovers(small) == []
        return
    else:
        assert code in {1, 70}, process.said()
    if (small.out / "study.yaml").exists():
        assert all(small.store.is_sound(run) for run in small.store.runs())
    again = launch(small, "", "--retry-failed")

    assert again.code() == 0, again.said()
    if expected is None:
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
    fault: str, phase: str, tinier: Small, whole: dict[str, bytes], launch: Launch, request: pytest.FixtureRequest
) -> None:
    by = request.getfixturevalue("stepping") if fault.startswith("clock") else None
    check(phase, fault, tinier, whole, launch, by)
