from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinpeft.data.split import assign_folds, joined, newest, share_out, split_by_hash
from clinpeft.errors import BadInput

ROWS = st.lists(st.tuples(st.integers(0, 15), st.sampled_from(["no", "yes", "rare"])), min_size=20, max_size=80)


def test_the_hash_split_follows_its_published_formula() -> None:
    for subject in ("1", "10006", "44228"):
        u = int(hashlib.sha256(f"split-v1|mimic3|{subject}".encode()).hexdigest()[:16], 16) / 2**64
        assert split_by_hash("mimic3", subject) == ("train" if u < 0.7 else "validation" if u < 0.8 else "test")


def test_the_hash_split_is_70_10_20() -> None:
    counts = Counter(split_by_hash("mimic3", str(subject)) for subject in range(20_000))

    assert counts["train"] / 20_000 == pytest.approx(0.7, abs=0.01)
    assert counts["validation"] / 20_000 == pytest.approx(0.1, abs=0.01)


@settings(max_examples=40)
@given(ROWS, st.integers(0, 3))
def test_no_subject_is_parted_and_no_part_is_empty(rows: list[tuple[int, str]], seed: int) -> None:
    subjects = [str(subject) for subject, _ in rows]
    if len(set(subjects)) < 3:
        return
    parts = share_out([label for _, label in rows], subjects, [0.7, 0.1, 0.2], seed)

    assert set(parts) == {0, 1, 2}
    assert len({(subject, part) for subject, part in zip(subjects, parts, strict=True)}) == len(set(subjects))


def test_shares_and_classes_are_met_where_every_subject_has_one_row() -> None:
    labels = ["yes"] * 20 + ["no"] * 80
    parts = share_out(labels, [str(row) for row in range(100)], [0.7, 0.1, 0.2], seed=1)

    counts = Counter(zip(labels, parts, strict=True))
    assert counts == {("yes", 0): 14, ("yes", 1): 2, ("yes", 2): 4, ("no", 0): 56, ("no", 1): 8, ("no", 2): 16}


def test_a_class_of_one_subject_goes_to_train() -> None:
    labels = ["rare"] + ["a", "b"] * 20

    assert share_out(labels, [str(row) for row in range(41)], [0.7, 0.1, 0.2], seed=0)[0] == 0


def test_the_split_does_not_depend_on_the_order_of_rows() -> None:
    labels, subjects = ["a", "b", "a", "b", "a", "a"], ["1", "2", "3", "4", "5", "6"]
    parts = share_out(labels, subjects, [0.5, 0.2, 0.3], seed=0)

    assert share_out(labels[::-1], subjects[::-1], [0.5, 0.2, 0.3], seed=0) == parts[::-1]


def test_another_seed_gives_another_split() -> None:
    labels, subjects = ["a", "b"] * 30, [str(row) for row in range(60)]

    assert share_out(labels, subjects, [0.7, 0.1, 0.2], 0) != share_out(labels, subjects, [0.7, 0.1, 0.2], 1)


def test_folds_are_even_in_size_and_class() -> None:
    labels = ["yes"] * 25 + ["no"] * 75
    folds = assign_folds(labels, [str(row) for row in range(100)], 5, seed=3)

    assert Counter(folds) == dict.fromkeys(range(5), 20)
    assert Counter(fold for fold, label in zip(folds, labels, strict=True) if label == "yes") == dict.fromkeys(
        range(5), 5
    )


def test_folds_take_label_sets_of_multilabel_examples() -> None:
    labels = [("a", "b"), ("a",), (), ("b",)]

    assert sorted(assign_folds(labels, ["1", "2", "3", "4"], 4, seed=0)) == [0, 1, 2, 3]


def test_fewer_subjects_than_folds_are_refused() -> None:
    with pytest.raises(BadInput, match="2 subjects cannot fill 3 parts"):
        assign_folds(["a", "b", "a"], ["1", "2", "2"], 3, seed=0)


def test_the_newest_subjects_are_chosen_by_their_last_day() -> None:
    days = [date(2020, 1, 1), date(2023, 1, 1), date(2021, 1, 1), date(2022, 1, 1), date(2020, 2, 1)]

    assert newest(days, ["a", "a", "b", "c", "d"], share=0.4, seed=0) == {"a"}
    assert newest(days, ["a", "a", "b", "c", "d"], share=0.6, seed=0) == {"a", "c"}


def test_a_time_column_of_one_day_is_refused() -> None:
    with pytest.raises(BadInput, match="one day only"):
        newest([date(2020, 1, 1)] * 3, ["a", "b", "c"], 0.2, seed=0)


def test_a_site_and_a_patient_seen_at_two_sites_stay_together() -> None:
    assert len(set(joined(["p1", "p1", "p2", "p3"], ["north", "south", "south", "east"]))) == 2
