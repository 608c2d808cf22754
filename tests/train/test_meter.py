"""Costs are physical: training time apart from evaluation, bytes, joules where they can be read, counted FLOPs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clinpeft.record import Cost
from clinpeft.train import meter as module
from clinpeft.train.meter import UNAVAILABLE, Meter, Stopwatch, folder_bytes, latency

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_training_and_evaluation_are_timed_apart(clock: list[float]) -> None:
    watch = Stopwatch()
    with watch.training():
        clock[0] += 3
    with watch.evaluating():
        clock[0] += 5
    clock[0] += 7
    with watch.training():
        clock[0] += 0.5

    assert (watch.train_seconds, watch.evaluate_seconds) == (3.5, 5)


def test_only_training_uses_up_the_time_limit(clock: list[float]) -> None:
    watch = Stopwatch()
    with watch.evaluating():
        clock[0] += 100
    assert not watch.is_over(2)
    with watch.training():
        clock[0] += 2

    assert watch.is_over(2)
    assert not watch.is_over(2.5)
    assert not watch.is_over(None)


def test_a_limit_of_more_than_a_day_is_kept(clock: list[float]) -> None:
    watch = Stopwatch()
    for _ in range(30):
        with watch.training():
            clock[0] += 3600.0
        with watch.evaluating():
            clock[0] += 1800.0

    assert watch.train_seconds == 30 * 3600
    assert watch.is_over(30 * 3600)
    assert not watch.is_over(30 * 3600 + 1)


def test_throughput_is_examples_a_second_and_counts_as_evaluation(clock: list[float]) -> None:
    meter = Meter(CPU)

    def score_all() -> str:
        clock[0] += 4
        return "scores"

    assert meter.throughput(score_all, 20) == ("scores", Cost(value=5.0, how="measured"))
    assert meter.watch.evaluate_seconds == 4
    assert meter.throughput(score_all, 0) == ("scores", UNAVAILABLE)


def test_latency_is_taken_over_single_calls_after_a_warm_up(clock: list[float]) -> None:
    # The first three calls are repeated; the slow start of the first is not among the times.
    seconds = iter([50.0, 1.0, 1.0, *(float(second) for second in range(1, 11))])

    def call() -> None:
        clock[0] += next(seconds)

    costs = latency([call] * 10)

    assert costs["latency_p50_seconds"] == Cost(value=5.5, how="measured")
    assert costs["latency_p99_seconds"].value == pytest.approx(9.91)


def test_latency_of_nothing_is_unavailable() -> None:
    assert set(latency([]).values()) == {UNAVAILABLE}


def test_times_and_memory_are_measured_and_no_device_is_not_zero() -> None:
    costs = Meter(CPU).costs()

    assert costs["peak_device_bytes"] == UNAVAILABLE
    assert costs["train_seconds"] == Cost(value=0.0, how="measured")
    assert costs["peak_host_bytes"].value is not None
    # Torch alone takes more than 50 MB, and no test machine has a terabyte.
    assert 5e7 < costs["peak_host_bytes"].value < 1e12


def test_memory_of_a_process_that_cannot_start_anew_is_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_reset_peak_memory", lambda: False)

    assert Meter(CPU).costs()["peak_host_bytes"].how == "estimated"


class Gpu:
    """What torch says of a GPU's memory; the peaks start at what is allocated when they are reset."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.allocated = self.reserved = 0
        patch.setattr(torch.cuda, "max_memory_allocated", lambda device: self.allocated)
        patch.setattr(torch.cuda, "max_memory_reserved", lambda device: self.reserved)
        patch.setattr(torch.cuda, "reset_peak_memory_stats", self.reset)
        patch.setattr(module, "_gpu_uuid", lambda device: "none")

    def reset(self, device: torch.device) -> None:
        self.allocated = self.reserved = 10


def test_peaks_of_a_gpus_memory_are_those_of_training_and_evaluation_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch)
    meter = Meter(torch.device("cuda"))
    for trained, evaluated in ((300, 900), (500, 700)):
        with meter.watch.training():
            gpu.allocated, gpu.reserved = trained, trained + 1
        with meter.watch.evaluating():
            gpu.allocated, gpu.reserved = evaluated, evaluated + 1

    assert meter.costs()["peak_device_bytes"] == Cost(value=500, how="measured")
    assert meter.device_peaks == {"training": (500, 501), "evaluation": (900, 901)}


def test_training_that_nobody_evaluated_has_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch)
    meter = Meter(torch.device("cuda"))
    with meter.watch.training():
        gpu.allocated = 300

    assert meter.costs()["peak_device_bytes"] == Cost(value=300, how="measured")


def test_whoever_wants_to_know_is_told_of_every_step() -> None:
    told: list[tuple[int, int, float, int]] = []
    Meter(CPU, lambda *step: told.append(step)).watch.stepped(3, 10, 0.5, 700)

    assert told == [(3, 10, 0.5, 700)]


def test_the_files_of_an_adapter_are_weighed(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "a").write_bytes(b"123")
    (tmp_path / "adapter" / "b").write_bytes(b"12345")
    (tmp_path / "other").write_bytes(b"1")

    assert folder_bytes(tmp_path, ["adapter/a", "adapter/b"]) == Cost(value=8.0, how="measured")
    assert folder_bytes(tmp_path, []).value == 0
