"""Which of a dataset's examples a run sees: a fold, a subset of train."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from clinpeft.data.card import SPLITS, Card
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.split import assign_folds
from clinpeft.spec import Subset, ValidationChoice
from clinpeft.tasks.base import Example

Splits = dict[str, list[Example]]


def examples_of(
    dataset: TaskDataset, subset: Subset | None, fold: int | None, validated_on: ValidationChoice | None = None
) -> Splits:
    """train, validation and test of one run; with a fold, train is the pool without it and validation is the fold.

    The seeds of `subset` and `validated_on` are numbers (`RunSpec.subset`, `RunSpec.validated_on`).
    """
    train, validation, test = (dataset.examples(split) for split in SPLITS)
    if fold is not None:
        split = dataset.card.split
        labels = [labels_of(example) for example in train]
        folds = assign_folds(labels, [example.subject for example in train], split.folds, split.seed)
        pool = list(zip(train, folds, strict=True))
        train = [example for example, own in pool if own != fold]
        validation = [example for example, own in pool if own == fold]
    if validated_on is not None:
        validation, test = _validated_on(validated_on, validation, test, dataset.card)
    return {"train": take(train, subset, dataset.card), "validation": validation, "test": test}


def _validated_on(
    chosen: ValidationChoice, validation: list[Example], test: list[Example], card: Card
) -> tuple[list[Example], list[Example]]:
    """Validation and test as a run has them. Halves are drawn by chance, whoever the subjects are."""
    assert chosen.seed != "run"
    if chosen.of == "half-of-test":
        validation = take(test, Subset(total=max(1, len(test) // 2), seed=chosen.seed), card)
        taken = {example.example for example in validation}
        test = [example for example in test if example.example not in taken]
    elif chosen.of == "test":
        validation = test
    if chosen.per_class is not None:
        validation = take(validation, Subset(per_class=chosen.per_class, seed=chosen.seed), card)
    return validation, test


def take(train: Sequence[Example], subset: Subset | None, card: Card) -> list[Example]:
    """A random draw of train, in stored order: so many in total, or of each class (all of it where there are fewer).

    The draw depends on the subset's seed and the examples only; a larger total holds every smaller one.
    """
    if subset is None:
        return list(train)
    assert subset.seed != "run", "the draw of a run has its number"
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
