"""A budget ends a study between two runs, counts what earlier sessions took, and gives an answer early."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.prices.rates import find_price
from clinpeft.runs.budget import Purse
from clinpeft.spec import Budget

if TYPE_CHECKING:
    from tests.conftest import Said, Small

    from clinpeft.record import RunRecord

NEXT_TO_NOTHING = {"hours": 1e-9}


def of_cost(record: RunRecord, **values: float) -> RunRecord:
    """The same with costs as given."""
    from clinpeft.record import Cost

    return record.model_copy(update={"cost": {key: Cost(value=value, how="measured") for key, value in values.items()}})


def test_the_run_that_reaches_the_limit_is_finished_and_no_other_is_begun(small: Small) -> None:
    small.write(methods=["head-only", "bitfit"], seeds=[1, 2], baselines=["majority"], budget=NEXT_TO_NOTHING)
    outcome = small.run()

    assert outcome.num_trained == 1
    assert [record.status for record in small.store.records()] == ["success"]
    assert [row["status"] for row in small.store.index.rows()].count("planned") == 4


def test_what_earlier_sessions_took_counts(small: Small) -> None:
    small.write(methods=["head-only"], budget=NEXT_TO_NOTHING)
    small.run()

    assert small.run().num_trained == 0


def test_a_raised_budget_goes_on_with_what_was_left_out(small: Small) -> None:
    small.write(methods=["head-only", "bitfit"], budget=NEXT_TO_NOTHING)
    small.run()
    small.write(methods=["head-only", "bitfit"], budget={"hours": 1})

    assert small.run().num_trained == 2
    assert {record.status for record in small.store.records()} == {"success"}


def test_every_method_comes_once_before_a_second_seed(small: Small) -> None:
    small.write(methods=["head-only", "bitfit", "lora"], seeds=[1, 2], budget={"hours": 1})
    small.run()
    started = [event.run for event in small.store.journal.events() if event.event == "started"]
    seeds = [
        record.spec.seed for run in started if run and (record := small.store.record(run)) and record.role == "final"
    ]

    assert seeds == [1, 1, 1, 2, 2, 2]


def test_a_search_stops_too_and_an_unfinished_one_chooses_nothing(small: Small) -> None:
    small.write(methods=["head-only"], baselines=[], tune={"trials": 3}, budget=NEXT_TO_NOTHING)
    small.run()

    assert [record.role for record in small.store.records()] == ["final"]


def test_a_search_that_the_budget_cut_short_is_told_every_time_and_in_the_report(
    clinpeft: Callable[..., Said], small: Small
) -> None:
    small.write(methods=["head-only", "bitfit"], baselines=[], tune={"trials": 3}, budget=NEXT_TO_NOTHING)
    small.run()
    # As if the limit had been reached within the search.
    small.write(methods=["head-only", "bitfit"], baselines=[], tune={"trials": 1})
    small.run()
    small.write(methods=["head-only", "bitfit"], baselines=[], tune={"trials": 3}, budget=NEXT_TO_NOTHING)

    for _ in range(2):
        assert "the budget of 1e-09 hours is used up: 2 left out" in clinpeft("run", small.file, "--out", small.out).err
    (warning,) = [warning for warning in api.results(small.out).warnings if "searches" in warning]
    assert "2 of the 2 searches of small have not had all their trials: left out by its budget" in warning
    assert "outcome · tiny · bitfit: 1 of 3" in warning
    assert [row["role"] for row in small.store.index.rows() if row["status"] == "planned"] == ["trial", "trial"]


def test_the_report_and_the_last_line_say_what_was_left_out(clinpeft: Callable[..., Said], small: Small) -> None:
    small.write(methods=["head-only", "bitfit"], budget=NEXT_TO_NOTHING)
    said = clinpeft("run", small.file, "--out", small.out)

    assert said.code == 0
    assert "the budget of 1e-09 hours is used up: 2 left out" in said.err
    assert any("left out by its budget" in warning for warning in api.results(small.out).warnings)


@pytest.mark.parametrize(
    ("budget", "values", "limit"),
    [
        ({"hours": 1}, {"train_seconds": 3000, "evaluate_seconds": 599}, None),
        ({"hours": 1}, {"train_seconds": 3000, "evaluate_seconds": 600}, "1 hours"),
        ({"energy_kwh": 0.5}, {"energy_joules": 1.79e6}, None),
        ({"energy_kwh": 0.5}, {"energy_joules": 1.8e6}, "0.5 kWh"),
        # own:workstation: 1500 / (5 · 2000 h) = 0.15 an hour, and 0.12 kW at 0.30 = 0.036 an hour.
        ({"money": 0.187, "currency": "EUR"}, {"train_seconds": 3600}, None),
        ({"money": 0.186, "currency": "EUR"}, {"train_seconds": 3600}, "0.186 EUR"),
    ],
)
def test_hours_energy_and_money_are_counted(
    trained: Small, budget: dict[str, Any], values: dict[str, float], limit: str | None
) -> None:
    purse = Purse(Budget(**budget), find_price("own:workstation"))
    purse.add([of_cost(trained.store.records()[0], **values)])

    assert purse.reached() == limit


@pytest.mark.parametrize(
    ("budget", "options", "message"),
    [
        ({"money": 5, "currency": "EUR"}, {}, "needs a price; name one with --price"),
        ({"money": 5, "currency": "GBP"}, {"price": "own:workstation"}, "is not that of own:workstation"),
        ({"money": 5}, {"price": "own:workstation"}, "'money' and 'currency' go together"),
        ({"energy_kwh": 5}, {}, "the energy of runs cannot be measured on this machine"),
    ],
)
def test_a_limit_that_nothing_would_count_towards_is_refused(
    small: Small, monkeypatch: pytest.MonkeyPatch, budget: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("clinpeft.train.energy.open_rapl", lambda: None)
    small.write(budget=budget)

    with pytest.raises(BadInput, match=message):
        small.run(**options)
    assert not small.out.exists()
