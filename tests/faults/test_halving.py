"""A search that stops trials early comes to the same decisions however often it is killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Small

KILLED_BEFORE_A_DECISION_IS_KEPT = """
import os, signal
from clinpeft.runs.store import Store
plain = Store._note_end
def note_end(self, run, record, lease):
    if record is not None and record.status == "pruned" and {place}:
        os.kill(os.getpid(), signal.SIGKILL)
    plain(self, run, record, lease)
    if record is not None and record.status == "pruned":
        os.kill(os.getpid(), signal.SIGKILL)
Store._note_end = note_end
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", [True, False])
def test_a_search_killed_at_every_decision_comes_to_the_same(
    place: bool, tinier: Small, launch: Callable[..., Any]
) -> None:
    from tests.faults.conftest import leftovers, results

    train = {"epochs": 4, "batch_size": 8, "early_stopping_patience": None, "judge": {"metric": "log-loss"}}
    tune = {"trials": 4, "learning_rate": [1e-6, 1e-1], "halving": {}}
    tinier.write(methods=["bitfit"], baselines=[], tune=tune, train=train)
    twin = type(tinier)(tinier.folder)
    assert launch(twin).code() == 0
    expected = results(twin)
    number = sum(record.status == "pruned" for record in twin.store.records())
    assert number
    twin.out.rename(tinier.folder / "expected")

    # Killed before the record has its place, the trial goes on from its last checkpoint, or starts again.
    code = KILLED_BEFORE_A_DECISION_IS_KEPT.format(place=place)
    if place:
        assert launch(tinier, code).code() == -9
    else:
        for _ in range(number):
            assert launch(tinier, code).code() == -9
    process = launch(tinier)
    assert process.code() == 0, process.said()

    assert results(tinier) == expected
    assert leftovers(tinier) == []
