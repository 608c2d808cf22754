"""Money and disk beside quality: what was measured, times a dated price, and never across machines unsaid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.report.conftest import TASK, StudyFolder
from tests.report.test_views import rows, view

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.report.wording import money

if TYPE_CHECKING:
    from tests.conftest import Said

LIST = """
date: 2026-11
currency: EUR
source: ours
rates:
  a-thousandth-a-second: {title: rented, per_hour: 3.6}
  twice-that: {title: rented, per_hour: 7.2}
  own: {title: ours, purchase: 3600, years: 1, hours_per_year: 1000, watts: 100, per_kwh: 0.5}
"""


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    """One task, its card, one model."""
    made = StudyFolder(tmp_path / "study")
    made.card()
    made.model("small", "general", 14_000_000)
    return made


@pytest.fixture
def price(tmp_path: Path) -> str:
    """One thousandth of a euro a second, from a list of one's own."""
    (tmp_path / "list.yaml").write_text(LIST)
    return f"{tmp_path / 'list.yaml'}:a-thousandth-a-second"


def costs(speed: float = 100.0, evaluate: float = 20.0, **more: float) -> dict[str, Any]:
    values = {"examples_per_second": speed, "evaluate_seconds": evaluate, **more}
    return {name: {"value": value, "how": "measured"} for name, value in values.items()}


def test_a_run_a_search_and_a_thousand_notes_cost_their_measured_seconds(study: StudyFolder, price: str) -> None:
    study.write_study("study.yaml", tune={"trials": 2})
    for rate, seconds in ((3e-3, 50.0), (1e-2, 30.0)):
        study.run("small", "lora", 2**32 - 1, 0.9 - rate, seconds=seconds, train={"learning_rate": rate}, role="trial")
    for seed, seconds in ((1, 90.0), (2, 110.0)):
        study.run("small", "lora", seed, 0.9, seconds=seconds, cost=costs(), train={"learning_rate": 3e-3})
    study.run("small", "full", 1, 0.8, seconds=30.0, cost=costs(speed=50.0))
    found = view(study, "money", train_price=price, serve_price=price)

    assert found is not None
    assert found.tables[0].columns == (
        "model",
        "method",
        "auroc, validation",
        "one run",
        "with its search",
        "1,000 notes",
    )
    # 30 + 20 seconds; 1,000 notes at 50 a second. LoRA: 100 + 20 on average, and trials of 50 and 30 seconds.
    assert rows(found) == [
        ("small", "full", 0.8, pytest.approx(0.05), None, pytest.approx(0.02)),
        ("small", "lora", pytest.approx(0.9), pytest.approx(0.12), pytest.approx(0.2), pytest.approx(0.01)),
    ]
    assert "list:a-thousandth-a-second (EUR, 2026-11; ours)" in found.lead
    assert found.tables[0].caption == f"{TASK}: EUR, measured on Some CPU, 8 cores"


def test_training_and_serving_may_be_priced_apart_and_one_of_them_not_at_all(study: StudyFolder, price: str) -> None:
    study.run("small", "lora", 1, 0.9, seconds=80.0, cost=costs())
    dear = price.replace("a-thousandth-a-second", "twice-that")

    both = view(study, "money", train_price=price, serve_price=dear)
    assert [row[3:] for row in rows(both)] == [(pytest.approx(0.1), pytest.approx(0.02))]
    assert both is not None and "list:twice-that" in both.lead
    serving = view(study, "money", serve_price=dear)
    assert serving is not None and serving.tables[0].columns[3:] == ("1,000 notes",)
    assert view(study, "money") is None


def test_measured_energy_is_paid_for_where_the_machine_is_ones_own(study: StudyFolder, price: str) -> None:
    study.run("small", "lora", 1, 0.9, seconds=80.0, cost=costs(energy_joules=3.6e6))
    own = price.replace("a-thousandth-a-second", "own")

    # 100 seconds of 3,600 EUR over 1,000 hours, and one kilowatt-hour.
    assert rows(view(study, "money", train_price=own))[0][3] == pytest.approx(0.1 + 0.5)


def test_what_ran_on_other_hardware_has_no_money_and_is_named(study: StudyFolder, price: str) -> None:
    for method in ("lora", "full"):
        study.run("small", method, 1, 0.9, seconds=80.0, cost=costs(), hardware="cpu-a")
    study.run("small", "ia3", 1, 0.9, seconds=8.0, cost=costs(), hardware="gpu-b")
    found = view(study, "money", train_price=price)

    assert {row[1] for row in rows(found)} == {"lora", "full"}
    assert found is not None and found.notes == (f"{TASK}: 1 configuration left out, measured on other hardware.",)


def test_a_search_that_ran_in_part_on_other_hardware_has_no_money(study: StudyFolder, price: str) -> None:
    rate = {"learning_rate": 3e-3}
    study.write_study("study.yaml", tune={"trials": 1})
    study.run("small", "lora", 2**32 - 1, 0.9, seconds=50.0, train=rate, role="trial", hardware="gpu-b")
    study.run("small", "lora", 1, 0.9, seconds=80.0, cost=costs(), train=rate)

    assert rows(view(study, "money", train_price=price))[0][3:] == (pytest.approx(0.1), None)


def test_a_seed_on_other_hardware_does_not_enter_the_mean_of_a_cost(study: StudyFolder, price: str) -> None:
    work = {"steps": 625, "examples": 20_000, "tokens": 9, "best_step": 5}
    for method in ("lora", "full"):
        for seed in (1, 2):
            study.run("small", method, seed, 0.9, seconds=80.0, cost=costs(), work=work)
        study.run("small", method, 3, 0.9, seconds=8_000.0, cost=costs(), work=work, hardware="gpu-b")

    assert [row[3] for row in rows(view(study, "money", train_price=price))] == [pytest.approx(0.1)] * 2
    # 20,000 examples are five epochs of 4,000: ten take 160 seconds.
    assert [row[2] for row in rows(view(study, "cost"))] == [pytest.approx(160 / 3600)] * 2


def test_many_tasks_take_one_base_and_an_adapter_each_against_as_many_models(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path / "two", tasks=["rqe", "mednli"])
    study.model("small", "general", 14_000_000)
    sizes = {"adapter": 400, "head": 600, "trainable": 1_000, "total": 14_001_000}
    for task, adapter in (("rqe", 90_000.0), ("mednli", 110_000.0)):
        study.run("small", "lora", 1, 0.9, task=task, cost=costs(adapter_bytes=adapter), parameters=sizes)
        study.run("small", "full", 1, 0.9, task=task, cost=costs(adapter_bytes=56e6), parameters=sizes)
    found = view(study, "disk")

    assert found is not None
    assert found.tables[0].columns[3:6] == ("for a task", "for 2 tasks", "2 whole models")
    lines = {row[1]: row[2:] for row in rows(found)}
    whole = 2 * 4 * 14_000_600
    assert lines["lora"] == (56e6, 100_000.0, 56.2e6, whole, pytest.approx(56.2e6 / whole))
    assert lines["full"] == (None, 56e6, 112e6, 112e6, 1.0)


def test_one_task_stands_for_ten_and_without_an_adapter_nothing_is_said(study: StudyFolder) -> None:
    study.run("small", "full", 1, 0.9, cost=costs(adapter_bytes=56e6))
    assert view(study, "disk") is None
    study.run("small", "lora", 1, 0.9, cost=costs(adapter_bytes=100_000.0))

    lines = {row[1]: row[2:] for row in rows(view(study, "disk"))}
    assert lines["lora"][:3] == (56e6, 100_000.0, 57e6)


def test_prices_in_two_currencies_are_refused(study: StudyFolder) -> None:
    study.run()

    with pytest.raises(BadInput, match="in GBP and own:workstation in EUR: they cannot be added"):
        api.views(study.root, train_price="taylor2024:train", serve_price="own:workstation")


def test_the_command_line_shows_money_in_the_page_and_in_the_tables(
    study: StudyFolder, price: str, tmp_path: Path, clinpeft: Callable[..., Said]
) -> None:
    study.run("small", "lora", 1, 0.9, seconds=80.0, cost=costs())
    said = clinpeft("report", study.root, "--price", price, "--tables", tmp_path / "tables")
    page = (study.root / "report" / "index.html").read_text(encoding="utf-8")

    assert said.code == 0
    assert '<section id="view-money">' in page
    assert "small,lora,0.9,0.85" in (tmp_path / "tables" / f"money-{TASK}.csv").read_text()
    assert clinpeft("report", study.root).code == 0
    assert "view-money" not in (study.root / "report" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--price", "own:laptop"),
            "price 'own:laptop': is no rate of that list; known: own:workstation, own:gpu-server",
        ),
        (("--price", "azure:big"), "price list 'azure': is neither packaged nor a file"),
        (("--serve-price", "own"), "price 'own': is no rate of that list"),
        (("--price", "own:workstation", "--serve-price", "taylor2024:serve"), "they cannot be added"),
    ],
)
def test_a_price_that_is_none_is_one_line_and_nothing_is_written(
    study: StudyFolder, clinpeft: Callable[..., Said], words: tuple[str, ...], message: str
) -> None:
    study.run()
    said = clinpeft("report", study.root, *words)

    assert said.code == 2
    assert message in said.err and said.err.count("\n") == 1
    assert not (study.root / "report").exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [(1204.5, "1,204.50"), (3.074, "3.07"), (0.0415, "0.042"), (0.000131, "0.00013"), (0.0, "0.00"), (0.996, "1.00")],
)
def test_money_has_cents_or_two_digits_that_count(value: float, words: str) -> None:
    assert money(value) == words
