"""Costs are physical: training time apart from evaluation, bytes, joules where they can be read, counted FLOPs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.methods.bitfit import BitFit
from clinpeft.methods.full import Full
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.record import Cost
from clinpeft.train import meter as module
from clinpeft.train.meter import UNAVAILABLE, Meter, Stopwatch, folder_bytes, latency, training_flops

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


@pytest.mark.parametrize(
    ("readings", "cost"),
    [
        ((10.0, 42.5), Cost(value=32.5, how="measured")),
        ((None, None), UNAVAILABLE),
        ((10.0, None), UNAVAILABLE),
        # The counter has wrapped around.
        ((900.0, 20.0), UNAVAILABLE),
    ],
)
def test_energy_is_the_counters_difference_or_unavailable(
    readings: tuple[float | None, float | None], cost: Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter(readings)
    monkeypatch.setattr(module, "_energy_joules", lambda: next(given))

    assert Meter(CPU).costs()["energy_joules"] == cost


def test_the_files_of_an_adapter_are_weighed(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "a").write_bytes(b"123")
    (tmp_path / "adapter" / "b").write_bytes(b"12345")
    (tmp_path / "other").write_bytes(b"1")

    assert folder_bytes(tmp_path, ["adapter/a", "adapter/b"]) == Cost(value=8.0, how="measured")
    assert folder_bytes(tmp_path, []).value == 0


def per_token(make_model: Any, method: Any, length: float) -> float:
    model = make_model(method, "entities")
    cost = training_flops(model, 10, length, model.card)
    assert cost.how == "estimated"
    assert cost.value is not None
    return cost.value / 10


def test_flops_are_counted_from_shapes(make_model: Any) -> None:
    # Two layers: four matrices of 32 x 32 and two of 32 x 64; then a head of 32 x 3. Attention: 2 layers, 12 pieces.
    backbone, head = 2 * (4 * 32 * 32 + 2 * 32 * 64), 32 * 3
    attention = 4 * 12 * 32 * 2

    forward = 2 * (backbone + head) + attention
    assert per_token(make_model, HeadOnly(), 12) == forward + 2 * head
    # Biases are no matrices, but the gradient flows through everything; attention's backward costs twice.
    assert per_token(make_model, BitFit(), 12) == 2 * forward + attention + 2 * head
    assert per_token(make_model, Full(), 12) == 2 * forward + attention + 2 * (backbone + head)


def test_an_adapters_own_matrices_are_counted(make_model: Any) -> None:
    # Rank 4 beside query and value of two layers: 32 x 4 and 4 x 32 each.
    beside = 4 * (32 * 4 + 4 * 32)
    difference = per_token(make_model, Lora(r=4), 0) - per_token(make_model, BitFit(), 0)

    assert difference == (2 + 2 + 2) * beside


def test_a_longer_text_costs_more_a_token(make_model: Any) -> None:
    short, long = (per_token(make_model, Full(), length) for length in (8, 16))

    # Forward and twice that backward: 4 times 8 more pieces times the width times the layers.
    assert long - short == 3 * 4 * 8 * 32 * 2
