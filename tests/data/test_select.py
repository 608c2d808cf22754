"""A run sees a fold or a subset of train, drawn the same way every time, and always the whole test set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.card import Card, Split
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.select import examples_of, labels_of, take
from clinpeft.spec import Subset
from clinpeft.tasks.base import Example, Span

CARD = Card.model_construct(name="made-up", kind="classification", labels=("a", "b", "c"))


def example(number: int, label: str | None = None, **fields: Any) -> Example:
    return Example(example=f"e{number}", subject=f"s{number // 2}", document="d", text="", label=label, **fields)


def notes(num: int) -> list[Example]:
    """Half are `a`, a third is `b`, a sixth is `c`."""
    return [example(number, "aaabbc"[number % 6]) for number in range(num)]


class Held(TaskDataset):
    """A dataset whose examples are in memory: 60 in train, 12 in each other split."""

    def examples(self, split: Literal["train", "validation", "test"]) -> list[Example]:
        return notes(60) if split == "train" else [example(100 + number, "a") for number in range(12)]


def dataset(folds: int = 0) -> Held:
    split = Split(method="user", by="subject", shared_subjects=0, folds=folds, seed=3)
    return Held(Path(), CARD.model_copy(update={"split": split}))


def test_without_a_subset_all_of_train_is_taken() -> None:
    assert take(notes(12), None, CARD) == notes(12)


def test_a_total_takes_as_many_in_stored_order() -> None:
    taken = take(notes(60), Subset(total=10), CARD)
    numbers = [int(item.example[1:]) for item in taken]

    assert len(taken) == 10
    assert numbers == sorted(numbers) != list(range(10))


def test_so_many_of_each_class_are_taken_or_all_there_are() -> None:
    taken = take(notes(60), Subset(per_class=15), CARD)

    assert Counter(item.label for item in taken) == {"a": 15, "b": 15, "c": 10}


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    first, again, other = (take(notes(60), Subset(per_class=5, seed=seed), CARD) for seed in (1, 1, 2))

    assert first == again != other


@given(small=st.integers(1, 60), more=st.integers(0, 60), seed=st.integers(0, 9))
def test_a_larger_subset_holds_every_smaller_one(small: int, more: int, seed: int) -> None:
    for key in ("total", "per_class"):
        few = take(notes(60), Subset(**{key: small, "seed": seed}), CARD)
        many = take(notes(60), Subset(**{key: small + more, "seed": seed}), CARD)

        assert {item.example for item in few} <= {item.example for item in many}


def test_an_example_with_two_types_counts_for_both() -> None:
    card = Card.model_construct(name="made-up", kind="entities", labels=("drug", "problem"))
    both = example(0, spans=(Span(0, 1, "problem"), Span(2, 3, "drug"), Span(4, 5, "drug")))
    train = [both, *(example(number, spans=(Span(0, 1, "problem"),)) for number in range(1, 9)), example(9)]
    taken = take(train, Subset(per_class=1), card)

    assert both in taken
    # One for each type, and one without any: the two types may fall on the same sentence.
    assert example(9) in taken
    assert len(taken) in {2, 3}
    assert labels_of(both) == ("drug", "problem")


def test_a_run_without_fold_sees_the_splits_as_they_are() -> None:
    splits = examples_of(dataset(), Subset(total=6), None)

    assert {name: len(examples) for name, examples in splits.items()} == {"train": 6, "validation": 12, "test": 12}


def test_folds_part_the_pool_by_subject() -> None:
    runs = [examples_of(dataset(folds=5), None, fold) for fold in range(5)]

    assert sorted(item.example for run in runs for item in run["validation"]) == sorted(
        item.example for item in notes(60)
    )
    for run in runs:
        assert len(run["train"]) + len(run["validation"]) == 60
        assert {item.subject for item in run["train"]}.isdisjoint(item.subject for item in run["validation"])
        assert run["test"] == dataset().examples("test")


def test_a_subset_is_drawn_from_a_folds_own_train_part() -> None:
    run = examples_of(dataset(folds=5), Subset(total=9), 2)

    assert len(run["train"]) == 9
    assert {item.example for item in run["train"]}.isdisjoint(item.example for item in run["validation"])


@pytest.mark.parametrize(
    ("item", "labels"),
    [
        (example(0, "a"), ("a",)),
        (example(0, labels=("a", "b")), ("a", "b")),
        (example(0, spans=(Span(0, 1, "b"), Span(1, 2, "a"), Span(2, 3, "b"))), ("a", "b")),
        (example(0), ()),
    ],
)
def test_the_labels_of_an_example_are_its_classes_or_its_entity_types(item: Example, labels: tuple[str, ...]) -> None:
    assert labels_of(item) == labels
