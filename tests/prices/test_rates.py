"""Seconds and joules become money by a dated list, and a list that cannot be used says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.prices.rates import Rate, find_price, packaged

OWN = "date: 2026-11\ncurrency: EUR\nsource: ours\nrates:\n"


def test_rent_is_paid_by_the_hour_whatever_the_energy() -> None:
    rate = Rate(title="rented", per_hour=1.2)

    assert rate.money(1800) == pytest.approx(0.6)
    assert rate.money(1800, joules=1e9) == pytest.approx(0.6)


def test_an_own_machine_costs_its_share_of_the_price_and_its_electricity() -> None:
    rate = Rate(title="ours", purchase=2000, years=4, hours_per_year=1000, watts=100, per_kwh=0.4)

    # One hour: 2000 / 4000 hours = 0.50; 100 W for an hour are 0.1 kWh = 0.04.
    assert rate.money(3600) == pytest.approx(0.54)
    # Measured: 0.05 kWh = 180,000 J.
    assert rate.money(3600, joules=180_000) == pytest.approx(0.52)


def test_every_packaged_list_can_be_read_and_says_its_day_and_currency() -> None:
    assert {"own", "aws-us-east-1", "taylor2024"} <= set(packaged())
    price = find_price("taylor2024:serve")

    assert (price.currency, price.date, price.rate.per_hour) == ("GBP", "2024-02", 2.07)
    assert price.describe() == "taylor2024:serve (GBP, 2024-02; derived from the cost table of arXiv 2402.10597)"


def test_the_studys_cost_table_comes_out_of_its_rates() -> None:
    train, serve = find_price("taylor2024:train").rate, find_price("taylor2024:serve").rate
    # Hours of training and of 100,000 notes, and the total in pounds (study, cost table).
    rows = [(0.46, 0.06, 1.06), (1.35, 0.14, 3.03), (2.52, 0.22, 5.58), (51.07, 4.06, 112.22)]

    for hours, serving, total in rows:
        assert train.money(3600 * hours) + serve.money(3600 * serving) == pytest.approx(total, abs=0.15)


def test_a_list_of_ones_own_needs_no_rate_where_it_has_but_one(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(OWN + "  server: {title: the server, per_hour: 2}\n", encoding="utf-8")

    assert find_price(str(path)).name == "ours:server"


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ("  a: {title: t}\n", "give either 'per_hour', or 'purchase' with 'watts' and 'per_kwh'"),
        ("  a: {title: t, per_hour: 1, purchase: 2}\n", "give either 'per_hour'"),
        ("  a: {title: t, purchase: 2, watts: 3}\n", "give either 'per_hour'"),
        ("  a: {title: t, per_hour: -1}\n", "per_hour"),
        ("  a: {title: t, per_houre: 1}\n", "per_houre"),
        ("  {}\n", "rates"),
    ],
)
def test_a_list_that_breaks_a_rule_is_refused_with_the_key(tmp_path: Path, rates: str, message: str) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(OWN + rates, encoding="utf-8")

    with pytest.raises(BadInput, match=message.replace("(", r"\(")):
        find_price(f"{path}:a")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("azure:a100", "is neither packaged nor a file"),
        ("own:workstatoin", "did you mean 'workstation'"),
        ("own", "known: own:workstation, own:gpu-server"),
    ],
)
def test_a_price_that_is_not_there_names_those_that_are(name: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        find_price(name)
