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
from clinpeft.methods.p_tuning import PTuning
from clinpeft.methods.prefix_tuning import PrefixTuning
from clinpeft.methods.prompt_tuning import PromptTuning
from clinpeft.record import Cost
from clinpeft.train import meter as module
from clinpeft.train.meter import UNAVAILABLE, Meter, Stopwatch, folder_bytes, latency, length_around, training_flops

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


def flops(make_model: Any, method: Any, kind: str = "entities", **seen: Any) -> float:
    """Of ten texts of ten pieces, where a test says nothing else."""
    model = make_model(method, kind)
    cost = training_flops(model, **{"tokens": 100, "mean_length": 10, "card": model.card, "examples": 10, **seen})
    assert cost.how == "estimated"
    assert cost.value is not None
    return cost.value


# The tiny BERT: two layers of four matrices of 32 x 32 and two of 32 x 64; heads of 32 x 3.
PROJECTION, LAYER, HEAD = 32 * 32, 4 * 32 * 32 + 2 * 32 * 64, 32 * 3
ATTENTION = 4 * 10 * 32
"""A word piece's attention to ten others in one layer."""


def test_a_frozen_backbone_is_passed_forward_only(make_model: Any) -> None:
    # The head reads every word piece, and has no gradient to pass on.
    assert flops(make_model, HeadOnly()) == 100 * (2 * (2 * LAYER) + 2 * ATTENTION + 4 * HEAD)


def test_a_frozen_backbone_sees_each_example_once(make_model: Any) -> None:
    # Three epochs of ten texts.
    seen = flops(make_model, HeadOnly(), tokens=300, examples=30, num_distinct=10)

    assert seen == 100 * (2 * (2 * LAYER) + 2 * ATTENTION) + 300 * 4 * HEAD
    assert flops(make_model, Lora(), tokens=300, examples=30, num_distinct=10) == 3 * flops(make_model, Lora())


def test_everything_that_trains_costs_three_passes(make_model: Any) -> None:
    assert flops(make_model, Full()) == 3 * 100 * (2 * (2 * LAYER) + 2 * ATTENTION + 2 * HEAD)


def test_a_frozen_matrix_costs_two_passes_where_a_gradient_flows_through_it(make_model: Any) -> None:
    # Biases are no matrices, and the lowest ones stand before the layers; attention's backward costs twice its forward.
    assert flops(make_model, BitFit()) == 100 * (2 * 2 * (2 * LAYER) + 3 * 2 * ATTENTION + 6 * HEAD)


def test_below_the_lowest_adapter_no_gradient_is_computed(make_model: Any) -> None:
    # Rank 4 beside query and value of both layers; nothing asks for the gradient of the first layer's input.
    down, up = 32 * 4, 4 * 32
    layers = 2 * 2 * (2 * LAYER) - 2 * 3 * PROJECTION
    adapters = 2 * (2 * (2 + 3) * down + 2 * (3 + 3) * up)

    assert flops(make_model, Lora(r=4)) == 100 * (layers + adapters + 3 * 2 * ATTENTION + 6 * HEAD)


def test_what_stands_for_a_whole_text_is_computed_once_a_text(make_model: Any) -> None:
    pooler = 32 * 32
    layers = 100 * 3 * (2 * (2 * LAYER) + 2 * ATTENTION)

    assert flops(make_model, Full(), "classification") == layers + 10 * 3 * 2 * (pooler + HEAD)


def test_virtual_tokens_are_positions_like_a_texts_own(make_model: Any) -> None:
    # Five of them before ten pieces; the pairs of 15 positions.
    layers = 150 * 2 * 2 * (2 * LAYER) + 3 * 2 * 4 * 32 * 10 * 15 * 15

    assert flops(make_model, PromptTuning(num_virtual_tokens=5)) == layers + 100 * 6 * HEAD


def test_a_perceptron_that_makes_virtual_tokens_is_computed_for_those_alone(make_model: Any) -> None:
    plain = flops(make_model, PromptTuning(num_virtual_tokens=5))
    perceptron = 32 * 16 + 16 * 16 + 16 * 32

    assert flops(make_model, PTuning(num_virtual_tokens=5, hidden_size=16)) == plain + 50 * 3 * 2 * perceptron


def test_a_prefix_adds_keys_but_no_positions(make_model: Any) -> None:
    # It enters the first layer beside its input, which needs no gradient.
    layers = 100 * (2 * 2 * (2 * LAYER) - 2 * 3 * PROJECTION) + 3 * 2 * 4 * 32 * 10 * 10 * 15

    assert flops(make_model, PrefixTuning(num_virtual_tokens=5)) == layers + 100 * 6 * HEAD


def test_attention_grows_with_the_length_around_a_word_piece(make_model: Any) -> None:
    short, long = (flops(make_model, Full(), mean_length=length) for length in (8, 16))

    # Forward and twice that backward: 4 times 8 more pieces times the width times the layers.
    assert long - short == 100 * 3 * 4 * 8 * 32 * 2
    # One text of 30 and one of 10: three quarters of the pieces have 30 around them.
    assert length_around([30, 10]) == 25
    assert length_around([]) == 0
