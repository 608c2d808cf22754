"""A run that needs more memory than there is fails alone, and the next one starts clean."""

from __future__ import annotations

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
    assert records["head-only"].status == "success"
    assert leftovers(tinier) == []
    assert launch(tinier, "", "--retry-failed").code() == 0
    assert results(tinier) == whole
