"""A run has one worker at a time; whoever was replaced is told so before anything of his gets its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clinpeft.errors import EnvironmentStop
from clinpeft.runs import leases
from clinpeft.runs.journal import Journal
from clinpeft.runs.leases import Lease, LeaseLost, Watch, Worker, holder_of

if TYPE_CHECKING:
    from tests.conftest import Small

RUN = "0123456789abcdef"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def lease(journal: Journal) -> Iterator[Lease]:
    given = Lease(journal, journal.path.parent / "leases" / RUN, RUN)
    yield given
    given.release()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    return now


def foreign(file: Path, **changes: object) -> None:
    """A lease of a worker on another machine."""
    file.parent.mkdir(exist_ok=True)
    facts = {"host": "elsewhere", "pid": 1, "started": "5", "machine": "boot ns", "lease": 3, **changes}
    file.write_text(json.dumps(facts) + "\n")


def test_a_lease_is_a_line_of_the_journal_and_its_number_only_grows(journal: Journal, lease: Lease) -> None:
    journal.append("noop")
    second = Lease(journal, lease.file, RUN)
    events = [event for event in journal.events() if event.event == "leased"]
    second.release()

    assert [(event.lease, event.n, event.worker) for event in events] == [
        (lease.number, lease.number, f"{os.uname().nodename}:{os.getpid()}"),
        (second.number, second.number, lease.worker.name),
    ]
    assert second.number > lease.number


def test_a_newer_lease_shuts_the_older_one_out(journal: Journal, lease: Lease) -> None:
    with lease.fence():
        pass
    second = Lease(journal, lease.file, RUN)

    with pytest.raises(LeaseLost, match=f"run {RUN}: another worker has taken it over"), lease.fence():
        pytest.fail("let through")
    with second.fence():
        pass
    lease.release()
    assert holder_of(lease.file) is not None, "the newer one's sign of life stays"
    second.release()
    assert not lease.file.exists()


def test_leases_of_other_runs_do_not_matter(journal: Journal, lease: Lease) -> None:
    other = Lease(journal, lease.file.with_name("fedcba9876543210"), "fedcba9876543210")
    with lease.fence(), other.fence():
        pass
    assert holder_of(lease.file) is not None
    assert holder_of(other.file) is not None
    other.release()


def test_a_folder_that_is_gone_lets_nothing_through(journal: Journal, lease: Lease) -> None:
    journal.path.unlink()

    with pytest.raises(EnvironmentStop, match="the study's folder is gone"), lease.fence():
        pytest.fail("let through")


def test_while_it_lives_a_worker_gives_a_sign(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.005)
    given = Lease(journal, tmp_path / "leases" / RUN, RUN)
    size = given.file.stat().st_size
    until = time.monotonic() + 30
    while given.file.stat().st_size < size + 3 and time.monotonic() < until:
        time.sleep(0.005)
    assert given.file.stat().st_size >= size + 3
    given.release()


def test_the_sign_of_a_replaced_worker_is_not_taken_for_the_new_ones(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, lease: Lease
) -> None:
    foreign(lease.file.with_name("new"))
    lease.file.with_name("new").replace(lease.file)
    before = lease.file.read_bytes()
    lease._sign.write(b".")

    assert lease.file.read_bytes() == before


def test_the_lease_of_a_living_process_here_is_held_and_that_of_a_dead_one_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        this = Worker.this()
        started = leases._started(process.pid)
        facts = {"host": this.host, "pid": process.pid, "started": started, "machine": this.machine}
        foreign(tmp_path / "leases" / RUN, **facts)
        held = Watch(tmp_path / "leases" / RUN).is_held()
        process.kill()
        process.wait()

    assert held
    assert not Watch(tmp_path / "leases" / RUN).is_held()
    assert holder_of(tmp_path / "leases" / RUN) is None


@pytest.mark.parametrize("change", [{"started": "1"}, {"machine": "an earlier start"}])
def test_a_process_number_that_is_used_again_is_not_the_worker(change: dict[str, str], tmp_path: Path) -> None:
    this = Worker.this()
    facts = {"host": this.host, "pid": this.pid, "started": this.started, "machine": this.machine, **change}
    foreign(tmp_path / "leases" / RUN, **facts)
    worker = holder_of(tmp_path / "leases" / RUN)

    # Of processes that are counted apart (another container) nothing is known.
    assert (worker is None) == ("started" in change)


def test_a_worker_elsewhere_is_given_up_after_half_a_minute_without_a_sign(tmp_path: Path, clock: list[float]) -> None:
    file = tmp_path / "leases" / RUN
    foreign(file)
    watch, held = Watch(file), []
    for seconds in (0, 29, 1.5):
        clock[0] += seconds
        held.append(watch.is_held())

    assert held == [True, True, False]


def test_a_sign_starts_the_wait_anew_whatever_its_own_clock_says(tmp_path: Path, clock: list[float]) -> None:
    file = tmp_path / "leases" / RUN
    foreign(file)
    watch = Watch(file)
    for _ in range(5):
        assert watch.is_held()
        clock[0] += 29
        file.write_bytes(file.read_bytes() + b".")
        os.utime(file, (0, 0))

    assert watch.is_held()
    clock[0] += 31
    assert not watch.is_held()


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n", b'{"host": 1}\n'])
def test_a_damaged_sign_of_life_is_nobodys(content: bytes, tmp_path: Path) -> None:
    (tmp_path / RUN).write_bytes(content)

    assert holder_of(tmp_path / RUN) is None
    assert not Watch(tmp_path / RUN).is_held()


def test_a_run_that_has_ended_is_given_to_nobody_until_it_is_planned_anew(trained: Small) -> None:
    store, run = trained.store, trained.store.runs()[0]
    assert store.lease(run) is None

    store.journal.append_all("planned", [run])
    lease = store.lease(run)
    assert lease is not None
    assert store.record(run) is None, "the old record is gone"
    assert list(store.holders()) == [run]
    lease.release()
    assert store.holders() == {}


def test_what_was_made_without_the_lease_is_not_committed(trained: Small) -> None:
    store, record = trained.store, trained.store.records()[0]
    before = trained.content("runs")
    store.journal.append_all("planned", [record.run])
    first = Lease(store.journal, store.folder / "leases" / record.run, record.run)
    second = Lease(store.journal, first.file, record.run)

    with pytest.raises(LeaseLost):
        store.commit(record.run, lambda folder: record, first)
    second.release()
    first.release()
    assert trained.content("runs") == before


def test_an_end_that_was_noted_is_not_noted_again(trained: Small) -> None:
    store, run = trained.store, trained.store.runs()[0]
    store.journal.append("deleted", run)
    foreign(store.folder / "leases" / run)
    with store.holding():
        pass

    assert [event.event for event in store.journal.events()].count("finished") == 3
    assert not (store.folder / "leases").exists()


def test_what_a_process_killed_after_a_commit_left_undone_is_done_by_the_next(trained: Small) -> None:
    store, run = trained.store, trained.store.runs()[0]
    lease = Lease(store.journal, store.folder / "leases" / run, run)
    (store.checkpoint_folder(run) / "step-3").mkdir(parents=True)
    lease._ended.set()
    lease._sign.close()
    with store.holding():
        last = store.journal.events()[-1]

    assert (last.event, last.run) == ("deleted", run)
    assert [event.event for event in store.journal.events()[-2:]] == ["finished", "deleted"]
    assert not (store.folder / "leases").exists()
    assert not (store.folder / "checkpoints").exists()
