"""Building data, listing names, status and reports start without torch, transformers or peft."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "peft")
SLOW_TO_LOAD = ("pandas", "plotly", "pyarrow", "scipy", "seqeval", "sklearn")
PRINT_LOADED = """
import importlib, pkgutil, sys
module = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"{module.__name__}."):
    importlib.import_module(found.name)
print(*sys.modules)
"""


def loaded_by(module: str) -> set[str]:
    """Top-level packages in memory after importing `clinpeft.<module>` and all below it, in a fresh process."""
    if not exists(f"clinpeft.{module}"):
        pytest.skip(f"clinpeft.{module} does not exist yet")
    command = [sys.executable, "-c", PRINT_LOADED, f"clinpeft.{module}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize(
    "module",
    [
        "sources",
        "tasks",
        "data.build",
        "data.card",
        "data.rows",
        "metrics",
        "models.catalogue",
        "launchers",
        "runs.store",
        "runs.grid",
        "report",
        "spec",
        "record",
        "schemas",
        "cli",
    ],
)
def test_a_part_that_trains_nothing_loads_no_deep_learning(module: str) -> None:
    assert loaded_by(module).isdisjoint(HEAVY)


@pytest.mark.parametrize("module", ["sources", "tasks", "spec", "record", "data.build", "models.catalogue", "cli"])
def test_what_a_listing_needs_loads_nothing_slow(module: str) -> None:
    assert loaded_by(module).isdisjoint(SLOW_TO_LOAD)
