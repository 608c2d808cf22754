"""Memory that an earlier run freed is kept for speed, and is not counted as a later run's."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import torch
from clinpeft.train.allocator import keep_freed_memory
from clinpeft.train.meter import Meter

keep_freed_memory()
blocks = [torch.ones(1 << 20) for _ in range(100)]
del blocks
meter = Meter(torch.device("cpu"))
print(meter.costs()["peak_host_bytes"].value)
blocks = [torch.ones(1 << 20) for _ in range(100)]
print(meter.costs()["peak_host_bytes"].value)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_the_peak_of_a_run_leaves_out_what_an_earlier_one_freed() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, check=True)
    before, after = map(float, done.stdout.split())

    assert after - before > 300e6
