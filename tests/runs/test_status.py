"""`status` says what is done, what runs and where, what failed and why, and when it will end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clinpeft.record import Reason
from clinpeft.runs.status import _seconds_left, standing

if TYPE_CHECKING:
    from tests.conftest import Small


def row(task: str, method: str, status: str, seconds: str = "") -> dict[str, str]:
    told = {"task": task, "method": method, "status": status, "seconds": seconds}
    return told | (
        {"role": "baseline", "model": "none"} if method == "majority" else {"role": "final", "model": "tiny"}
    )


def test_a_finished_study_has_nothing_left(trained: Small) -> None:
    now = standing(trained.store)

    assert now.counts == {"success": 3}
    assert now.seconds_left == 0


def test_a_leased_run_runs_and_its_worker_is_named(trained: Small, clinpeft: Any) -> None:
    trained.write(seeds=[1, 2])
    trained.run(only={"seed": "1"})
    run = next(row["run"] for row in trained.store.index.rows() if row["status"] == "planned")
    lease = trained.store.lease(run)
    assert lease is not None
    now, said = standing(trained.store), clinpeft("status", trained.out).out
    lease.release()

    assert now.counts == {"success": 3, "planned": 1, "running": 1}
    assert f"(by {lease.worker.name})" in said
    assert "left with 1 worker\n" in said


def test_a_failure_says_why(trained: Small, clinpeft: Any) -> None:
    record = trained.records()["bitfit"]
    failed = record.model_copy(
        update={"status": "failed", "reason": Reason(code="killed", message="its process ended"), "files": {}}
    )
    trained.store.commit(record.run, lambda _: failed)
    trained.run()

    assert "(killed: its process ended)" in clinpeft("status", trained.out).out


def test_a_run_that_ended_since_the_index_was_written_counts_as_ended(trained: Small) -> None:
    index = trained.out / "index.csv"
    index.write_text(index.read_text().replace("success", "planned"))

    assert standing(trained.store).counts == {"success": 3}


def test_the_time_left_is_that_of_the_runs_most_like_what_is_left() -> None:
    rows = [
        row("a", "lora", "success", "10.0"),
        row("a", "lora", "success", "20.0"),
        row("a", "full", "success", "60.0"),
        row("a", "lora", "planned"),
        row("b", "full", "planned"),
        row("b", "ia3", "planned"),
    ]
    # As LoRA on the same task: 15; as full on the other: 60; as the model on anything: 30.
    assert _seconds_left(rows) == pytest.approx(15 + 60 + 30)


def test_workers_share_what_is_left_and_a_run_under_way_counts_half() -> None:
    rows = [row("a", "lora", "success", "10.0"), *[row("a", "lora", "running")] * 2, row("a", "lora", "planned")]

    assert _seconds_left(rows) == pytest.approx((5 + 5 + 10) / 2)


def test_before_any_run_has_ended_nothing_is_told() -> None:
    assert _seconds_left([row("a", "lora", "planned")]) is None
    assert _seconds_left([row("a", "lora", "failed"), row("a", "full", "planned")]) is None


def test_what_a_baseline_took_tells_nothing_of_models() -> None:
    ended = [row("a", "majority", "success", "0.1"), row("b", "lora", "planned")]

    assert _seconds_left(ended) is None
    assert _seconds_left([*ended, row("a", "lora", "success", "10.0")]) == pytest.approx(10)
    assert _seconds_left([*ended, row("b", "majority", "planned"), row("a", "lora", "success", "10.0")]) == (
        pytest.approx(10.1)
    )
