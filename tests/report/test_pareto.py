"""The Pareto front by hand, and its probability against the normal distribution."""

from __future__ import annotations

from math import erf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.report.pareto import front, front_probability

POINTS = st.lists(st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float)), min_size=1, max_size=12)


def test_what_another_beats_on_both_is_not_on_the_front() -> None:
    assert front([(0.9, 10.0), (0.8, 2.0), (0.7, 5.0), (0.85, 10.0)]) == [True, True, False, False]


def test_of_two_equally_good_ones_only_the_cheaper_is_on_the_front() -> None:
    assert front([(0.8, 2.0), (0.8, 3.0)]) == [True, False]


def test_of_two_equally_cheap_ones_only_the_better_is_on_the_front() -> None:
    assert front([(0.8, 2.0), (0.7, 2.0)]) == [True, False]


def test_equal_points_are_on_the_front_together() -> None:
    assert front([(0.8, 2.0), (0.8, 2.0)]) == [True, True]


def test_a_point_without_quality_or_cost_is_on_no_front_and_beats_nobody() -> None:
    assert front([(None, 1.0), (0.9, None), (0.5, 3.0)]) == [False, False, True]


def test_no_points_have_no_front() -> None:
    assert front([]) == []
    assert front_probability([], []) == []


@given(POINTS)
def test_every_point_is_on_the_front_or_beaten_by_one_that_is(points: list[tuple[float, float]]) -> None:
    on_front = [point for point, is_on in zip(points, front(points), strict=True) if is_on]

    assert on_front
    assert all(any(best[0] >= point[0] and best[1] <= point[1] for best in on_front) for point in points)


def test_the_chance_of_the_dearer_point_is_the_chance_that_it_is_better() -> None:
    cheap, dear = front_probability([(0.80, 1.0), (0.82, 2.0)], [0.02, 0.02])

    # The difference is Normal(0.02, 0.02 √2), so it is positive with probability Φ(1/√2).
    assert dear == pytest.approx((1 + erf(0.5)) / 2, abs=0.03)
    assert cheap == 1


def test_without_deviations_the_chances_are_the_front_itself() -> None:
    points = [(0.9, 10.0), (0.8, 2.0), (0.7, 5.0), (None, 1.0)]

    assert front_probability(points, [None, 0.0, None, 0.1]) == [1, 1, 0, None]


def test_the_same_points_have_the_same_chances_twice() -> None:
    points, deviations = [(0.80, 1.0), (0.81, 2.0), (0.82, 3.0)], [0.01, 0.02, 0.03]

    assert front_probability(points, deviations) == front_probability(points, deviations)
