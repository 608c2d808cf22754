"""Every entry of every registry keeps its kind's promises: a new file in a registry is tested without a test.

Methods have a file of their own, test_methods.py: they promise most.
"""

from __future__ import annotations

import pytest

from clinpeft.testing import CHECKS, NAMES

ENTRIES = [(kind, name) for kind in CHECKS for name in NAMES[kind]() if kind != "method"]
OF_CLUSTERS = {("launcher", "ray"), ("launcher", "slurm")}
"""They take a minute where they are at home."""


def test_every_kind_has_entries() -> None:
    assert {kind for kind, _ in ENTRIES} | {"method"} == set(CHECKS) == set(NAMES)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(*entry, marks=[pytest.mark.slow] if entry in OF_CLUSTERS else [], id=" ".join(entry))
        for entry in ENTRIES
    ],
)
def test_an_entry_keeps_the_promises_of_its_kind(kind: str, name: str) -> None:
    results = CHECKS[kind](name)

    assert results
    assert [f"{result.name}: {result.detail}" for result in results if not result.passed] == []
