"""A run that needs more memory than there is tries with less, and fails alone; the next one starts clean."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Small

Launch = Callable[..., Any]

DEVICE_OOM = """
import gc, weakref
import torch
from clinpeft.train import loop
from clinpeft.runs import setup, work
plain, load, models = loop._backward, setup.load, []
def loaded(*arguments, **options):
    assert [model() for model in models] == [None] * len(models), "an earlier run's model is still there"
    model = load(*arguments, **options)
    models.append(weakref.ref(model))
    return model
def backward(network, *arguments):
    if any("lora" in name for name, _ in network.named_parameters()):
        raise torch.OutOfMemoryError("out of memory")
    return plain(network, *arguments)
loop._backward, setup.load = backward, loaded
"""
HOST_OOM = """
import resource
import torch
from clinpeft.train import loop
plain = loop._backward
def backward(network, *arguments):
    if any("lora" in name for name, _ in network.named_parameters()):
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), before[1]))
        try:
            return bytearray(1 << 30)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    return plain(network, *arguments)
loop._backward = backward
"""


@pytest.mark.parametrize(("code", "reason"), [(DEVICE_OOM, "oom_device"), (HOST_OOM, "oom_host")])
def test_a_run_out_of_memory_fails_alone_and_leaves_nothing_behind(
    code: str, reason: str, tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    from tests.faults.conftest import leftovers, results

    process = launch(tinier, code)
    assert process.code() == 1, process.said()
    records = tinier.records()

    assert records["lora"].reason is not None
    assert (records["lora"].status, records["lora"].reason.code) == ("out_of_memory", reason)
    assert (records["lora"].cost["peak_host_bytes"].value or 0) > 1e8, "how much it had taken"
    assert records["head-only"].status == "success"
    assert leftovers(tinier) == []
    assert launch(tinier, "", "--retry-failed").code() == 0
    assert results(tinier) == whole


PLAIN = {"epochs": 2, "batch_size": 8, "dropout": "none", "precision": "fp32"}
NO_DROPOUT = """
from torch.nn import functional
functional.dropout = lambda values, *arguments, **options: values
"""
LARGE_PARTS = """
import torch
from clinpeft.train import loop
plain = loop.loss_of
def loss_of(logits, part, *arguments):
    if len(part.indices) > {most}:
        raise {error}
    return plain(logits, part, *arguments)
loop.loss_of = loss_of
"""
ONCE_AFTER_A_CHECKPOINT = """
from clinpeft.train import checkpoint, loop
checkpoint.SECONDS_BETWEEN, checkpoint.SHARE = 0.0, 1e9
import torch
plain, calls = loop.loss_of, []
def loss_of(*arguments):
    calls.append(1)
    if len(calls) == 4:
        raise torch.OutOfMemoryError("out of memory")
    return plain(*arguments)
loop.loss_of = loss_of
"""


@pytest.mark.parametrize("error", ["torch.OutOfMemoryError('out of memory')", "MemoryError"])
def test_a_run_out_of_memory_tries_again_with_smaller_parts_of_the_same_batch(
    error: str, tinier: Small, launch: Launch
) -> None:
    from tests.faults.conftest import events, leftovers

    # Masks are drawn part by part; without them the parts of a batch add up to the same.
    tinier.write(methods=["bitfit"], baselines=[], train=PLAIN)
    assert launch(tinier, NO_DROPOUT).code() == 0
    expected = probabilities(tinier)
    shutil.rmtree(tinier.out)
    process = launch(tinier, NO_DROPOUT + LARGE_PARTS.format(most=2, error=error))
    assert process.code() == 0, process.said()

    record = tinier.records()["bitfit"]
    assert record.environment is not None
    assert record.work is not None
    # Batches of 8: whole, halves, quarters.
    assert (record.status, record.environment.micro_batch) == ("success", 2)
    # 24 training texts, 2 epochs of 3 steps: as many steps of as many examples as ever.
    assert (record.work.steps, record.work.examples) == (6, 48)
    assert probabilities(tinier) == pytest.approx(expected, abs=1e-5)
    assert process.said().count("memory ran out; half as many examples pass at once now, of the same batch") == 2
    assert events(tinier)["limits_changed"] == 2
    assert leftovers(tinier) == []


def test_parts_are_halved_twice_at_most(tinier: Small, launch: Launch) -> None:
    from tests.faults.conftest import events, leftovers

    process = launch(tinier, LARGE_PARTS.format(most=1, error="torch.OutOfMemoryError('out of memory')"))
    assert process.code() == 1, process.said()

    assert {record.status for record in tinier.records().values() if record.role == "final"} == {"out_of_memory"}
    assert events(tinier)["limits_changed"] == 4
    assert leftovers(tinier) == []


def test_one_example_at_a_time_is_not_halved(tinier: Small, launch: Launch) -> None:
    from tests.faults.conftest import events

    tinier.write(methods=["lora"], baselines=[], train={"batch_size": 1})
    process = launch(tinier, DEVICE_OOM)

    assert process.code() == 1, process.said()
    assert events(tinier)["limits_changed"] == 0


def test_what_was_saved_with_larger_parts_is_not_gone_on_with(tinier: Small, launch: Launch) -> None:
    from tests.faults.conftest import events, leftovers

    tinier.write(methods=["lora"], baselines=[], train={"epochs": 2, "batch_size": 8})
    process = launch(tinier, ONCE_AFTER_A_CHECKPOINT)
    assert process.code() == 0, process.said()
    counts = events(tinier)

    assert (counts["started"], counts["limits_changed"]) == (2, 1)
    assert tinier.records()["lora"].environment.micro_batch == 4  # type: ignore[union-attr]
    assert tinier.records()["lora"].work.steps == 6  # type: ignore[union-attr]
    assert leftovers(tinier) == []


def probabilities(study: Small) -> list[float]:
    """Of the validation examples."""
    import pyarrow.parquet as pq

    scores: list[float] = pq.read_table(study.run_folder("bitfit") / "predictions-validation.parquet")[
        "score_1"
    ].to_pylist()
    return scores
