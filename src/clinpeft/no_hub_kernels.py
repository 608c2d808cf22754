"""bitsandbytes is imported without asking a hub for code, and without saying that it could not."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

PACKAGE = "bitsandbytes"
KERNELS = "kernels"


class NoHubKernels(MetaPathFinder):
    """Finds bitsandbytes for whoever imports it first, mostly peft, and hides the package `kernels` meanwhile.

    bitsandbytes 0.50, on a CPU with AVX-512 and bf16, has `kernels` download and load a compiled library while it is
    imported, and warns where it cannot. HF_HUB_OFFLINE would stop the first only if it was set before huggingface_hub
    was imported, and not the loading of what lies in a cache. clinpeft uses none of it.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            loader.exec_module = partial(_run, loader.exec_module)
        return spec


def keep_out() -> None:
    """From now on, in this process; once is enough."""
    if not any(isinstance(finder, NoHubKernels) for finder in sys.meta_path):
        sys.meta_path.insert(0, NoHubKernels())


def _run(exec_module: Callable[[ModuleType], None], module: ModuleType) -> None:
    with _hidden(KERNELS), _silent(PACKAGE):
        exec_module(module)


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """An import of it raises ModuleNotFoundError, as where it is not installed."""
    missing = object()
    before: Any = sys.modules.get(package, missing)
    sys.modules[package] = None  # type: ignore[assignment]  # Python's own way to say so.
    try:
        yield
    finally:
        if before is missing:
            del sys.modules[package]
        else:
            sys.modules[package] = before


@contextmanager
def _silent(package: str) -> Iterator[None]:
    """Its warnings are not logged; its errors are."""
    logger = logging.getLogger(package)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
