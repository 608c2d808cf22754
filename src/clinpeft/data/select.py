"""Which of a dataset's examples a run sees: a fold, a subset of train."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from clinpeft.data.card import Card
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.split import assign_folds
from clinpeft.spec import Subset
from clinpeft.tasks.base import Example

Splits = dict[str, list[Example]]


def examples_of(dataset: TaskDataset, subset: Subset | None, fold: int | None) -> Splits:
    """train, validation and test of one run; with a fold, train is the pool without it and validation is the fold."""
    train, validation = dataset.examples("train"), dataset.examples("validation")
    if fold is not None:
        split = dataset.card.split
        labels = [labels_of(example) for example in train]
        folds = assign_folds(labels, [example.subject for example in train], split.folds, split.seed)
        pool = list(zip(train, folds, strict=True))
        train = [example for example, own in pool if own != fold]
        validation = [example for example, own in pool if own == fold]
    return {"train": take(train, subset, dataset.card), "validation": validation, "test": dataset.examples("test")}


def take(train: Sequence[Example], subset: Subset | None, card: Card) -> list[Example]:
    """A random draw of train, in stored order: so many in total, or of each class (all of it where there are fewer).

    The draw depends on the subset's seed and the examples only; a larger total holds every smaller one.
    """
    if subset is None:
        return list(train)
    order = list(range(len(train)))
    random.Random(subset.seed).shuffle(order)
    if subset.total is not None:
        chosen = order[: subset.total]
    else:
        assert subset.per_class is not None
        by_class: dict[str, list[int]] = defaultdict(list)
        for index in order:
            for label in labels_of(train[index]) or ("",):
                by_class[label].append(index)
        chosen = [index for label in (*card.labels, "") for index in by_class[label][: subset.per_class]]
    return [train[index] for index in sorted(set(chosen))]


def labels_of(example: Example) -> tuple[str, ...]:
    """The example's classes, or the types of its entities."""
    if example.label is not None:
        return (example.label,)
    return example.labels or tuple(sorted({span.label for span in example.spans}))
