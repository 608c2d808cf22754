"""The middle half of the seeds: its mean, its interval over seeds, and what is said where there are too few."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import trim_mean

from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.configurations import configurations, selected
from clinpeft.report.evaluation import evaluate
from clinpeft.report.page_tables import tables
from clinpeft.report.render import write_report
from clinpeft.report.seeds import MiddleHalf, middle_of, spread_of_seeds
from clinpeft.report.tables import Estimate
from clinpeft.report.view import page


def test_the_middle_half_is_not_moved_by_one_seed_that_went_astray() -> None:
    assert middle_of([0.8, 0.81, 0.82, 0.1])[0] == pytest.approx((0.8 + 0.81) / 2)
    # Of five, a quarter of 1.25 is cut from each end: (0.75·2 + 3 + 0.75·4) / 2.5.
    assert middle_of([1, 2, 3, 4, 50])[0] == pytest.approx((0.75 * 2 + 3 + 0.75 * 4) / 2.5)
    # Of three, 0.75: (0.25·1 + 2 + 0.25·6) / 1.5.
    assert middle_of([6, 1, 2])[0] == pytest.approx(2.5)
    values = np.random.default_rng(0).random(12)
    assert middle_of(list(values))[0] == pytest.approx(trim_mean(values, 0.25))


def test_its_interval_is_that_of_all_ways_to_redraw_the_seeds() -> None:
    """Of three seeds one in 27 draws is the lowest three times: more than 2.5 %, so the interval reaches to both ends.
    Of six, all 46,656 draws are gone through."""
    assert middle_of([0.9, 0.7, 0.8])[1:] == (pytest.approx(0.7), pytest.approx(0.9))
    values = [0.70, 0.74, 0.75, 0.79, 0.83, 0.90]
    # Of six, 1.5 is cut from each end.
    drawn = np.sort(np.array(list(product(values, repeat=6))), axis=1) @ np.array([0, 0.5, 1, 1, 0.5, 0]) / 3
    _, low, high = middle_of(values)

    assert low == pytest.approx(np.percentile(drawn, 2.5), abs=0.005)
    assert high == pytest.approx(np.percentile(drawn, 97.5), abs=0.005)
    assert middle_of(values) == middle_of(values[::-1])


@pytest.mark.parametrize("values", [[], [0.8], [0.8, 0.9]])
def test_fewer_than_three_seeds_have_no_middle(values: list[float]) -> None:
    assert middle_of(values) == (None, None, None)


def test_the_spread_is_the_standard_deviation_of_what_gave_a_value() -> None:
    assert spread_of_seeds([0.7, 0.9, None]) == pytest.approx(0.2 / 2**0.5)
    assert spread_of_seeds([0.7]) is None


@pytest.fixture
def seeded(folder: Any) -> Any:
    """Four seeds of which one diverged, two of another method, and a baseline."""
    for seed, value in ((1, 0.7), (2, 0.8), (3, 0.9)):
        folder.run("small", "lora", seed, value=value)
    folder.failed("small", "lora", 4, "diverged", "diverged", "the loss became infinite")
    for seed in (1, 2):
        folder.run("small", "full", seed, value=0.8)
    folder.run("none", "majority", 0, value=0.5, arm=0.0)
    return folder


def middles(folder: Any) -> dict[str, MiddleHalf]:
    loaded = load([folder.root])
    (task,) = evaluate(aggregate(loaded), configurations(selected(loaded, {}))).tasks
    return {found.method: found for found in task.seeds}


def test_the_evaluation_holds_it_with_what_failed_and_how_it_was_drawn(seeded: Any) -> None:
    found = middles(seeded)

    lora = found["lora"]
    assert (lora.value, lora.low, lora.high) == (pytest.approx(0.8), pytest.approx(0.7), pytest.approx(0.9))
    assert (lora.num_seeds, lora.num_failed, lora.reason) == (3, 1, None)
    assert (lora.num_resamples, lora.bootstrap_seed, len(lora.runs)) == (2000, 0, 4)
    assert (found["full"].value, found["full"].reason) == (None, "too few seeds")
    assert (found["majority"].num_seeds, found["majority"].reason) == (1, "too few seeds")


def test_the_page_and_the_tables_show_it(seeded: Any) -> None:
    text = write_report([seeded.root], seeded.root / "report").read_text(encoding="utf-8")
    loaded = load([seeded.root])
    table = next(one for one in tables(page(loaded, aggregate(loaded), {})) if one.name == "ward-notes-seeds")

    assert "0.800 <small>[0.700, 0.900]</small>" in text
    assert '<span class="none">too few seeds</span>' in text
    row = next(row for row in table.rows if row[0] == "small with lora")
    assert row[table.columns.index("interquartile mean")] == Estimate(pytest.approx(0.8), 0.7, 0.9)
    assert row[table.columns.index("failed")] == 1
    assert "interquartile mean,interquartile mean low,interquartile mean high" in table.to_csv()
