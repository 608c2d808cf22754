"""What a process does with memory: keep what a training step gives back, and forget kernels it made for old shapes."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""glibc's mallopt(3)."""


def keep_freed_memory() -> bool:
    """Tell the C library not to hand freed memory back to the kernel after every operation; whether it listens.

    By default blocks of the size of a layer's states are mapped anew each time, and the kernel clears every page of
    them: measured, up to a seventh of a training step. Only glibc has these settings, and only for this process.
    """
    mallopt = _from_c_library("mallopt")
    if mallopt is None:
        return False
    settings = {M_MMAP_THRESHOLD: 32 << 20, M_TRIM_THRESHOLD: 1 << 30, M_TOP_PAD: 64 << 20}
    accepted = [mallopt(name, value) for name, value in settings.items()]
    return all(answer == 1 for answer in accepted)


def give_back_freed_memory() -> None:
    """Hand what is free to the kernel after all, so that a run's peak memory is its own and not an earlier run's."""
    malloc_trim = _from_c_library("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def forget_old_kernels() -> None:
    """Let oneDNN keep the kernels of 256 shapes, not of 1,024; an environment that says otherwise is obeyed.

    A kernel keeps megabytes with it (measured: 98 runs in one process grew by 2.5 GB). Works until the first matrix
    product of the process.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")


def _from_c_library(name: str) -> Any:
    """The function, or None where there is no glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
