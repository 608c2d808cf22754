"""The matrix: every method on every family, for every kind of task, keeps its promises or says why it cannot."""

from __future__ import annotations

import pytest

from clinpeft.methods.base import METHODS
from clinpeft.testing._rules import results
from clinpeft.testing.cells import all_cells
from clinpeft.testing.compatibility import compatibility
from clinpeft.testing.methods import METHOD_RULES
from clinpeft.testing.promises import check_cell

FAMILIES = sorted({family for family, _ in all_cells()})
LEAST_SHARE = 0.95


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS.names())
def test_a_method_keeps_its_promises_on_a_family_or_refuses_it(method: str, family: str) -> None:
    problems = {
        f"{kind}: {result.name}: {result.detail}"
        for cell, kind in all_cells()
        if cell == family
        for result in check_cell(METHODS.get(method), family, kind)
        if not result.passed
    }

    assert sorted(problems) == []


@pytest.mark.parametrize("method", METHODS.names())
def test_a_method_says_what_it_is(method: str) -> None:
    assert [result.detail for result in results(METHODS.get(method), METHOD_RULES) if not result.passed] == []


def test_almost_every_method_serves_almost_every_family() -> None:
    assert compatibility().share_served() >= LEAST_SHARE
