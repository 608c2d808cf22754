"""What a process does with memory: keep what a training step gives back, and forget kernels it made for old shapes."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""glibc's mallopt(3)."""


def keep_freed_memory() -> bool:
    """Tell the C library not to hand freed memory back to the kernel after every operation; whether it listens.

    By default blocks of the size of a layer's states are mapped anew each time, and the kernel clears every page of
    them: measured, a fifth to half of a training step. Only glibc has these settings, and only for this process.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {M_MMAP_THRESHOLD: 32 << 20, M_TRIM_THRESHOLD: 1 << 30, M_TOP_PAD: 64 << 20}
    accepted = [mallopt(name, value) for name, value in settings.items()]
    return all(answer == 1 for answer in accepted)


def forget_old_kernels() -> None:
    """Let oneDNN keep the kernels of 256 shapes, not of 1,024; an environment that says otherwise is obeyed.

    A kernel keeps megabytes with it (measured: 98 runs in one process grew by 2.5 GB). Works until the first matrix
    product of the process.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
