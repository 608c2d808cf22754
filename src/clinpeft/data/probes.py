"""How well the labels of train are told without reading its texts, and labels that stand in their own texts by name.

No model is given an id or a place in a file. Where these tell the label, the classes were gathered apart, and then
their texts often differ in ways that have nothing to do with the question (Kaufman et al. 2012,
doi:10.1145/2382577.2382579).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clinpeft.data.card import NamedLabel, Probe, Probes
from clinpeft.data.checks import labels_of
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example

if TYPE_CHECKING:
    from clinpeft.metrics.base import Floats

MOST_EXAMPLES = 2_000
"""That are looked at: all of as many subjects as it takes, drawn by a hash."""
LEAST_EXAMPLES = 100
LEAST_OF_EACH = 20
"""Examples that have a label, and that lack it."""
MOST_LABELS = 5
"""The most frequent ones are told apart from the rest."""
MOST_NAMES = 50
"""Labels whose name is looked for."""
MOST_LISTED = 20
NUM_FOLDS = 5
NUM_RESAMPLES = 500
SMALLEST_LEAF = 10
WORD = re.compile(r"[^\W_]+")
NUMBER = re.compile(r"\d{1,15}")


def probes_of(train: Sequence[Example], kind: Kind) -> Probes | None:
    """The probes of a dataset's training examples, ids as the source gives them, in the source's order.

    None for entities, whose labels belong to words. With too few examples every probe is null with a reason.
    """
    if kind == "entities":
        return None
    places = {example.example: place for place, example in enumerate(train)}
    some = _some(train)
    labels = [name for name, _ in _frequent(some, kind)]
    names = {"id": _of_ids(some), "length": _of_lengths(some), "order": [[float(places[e.example])] for e in some]}
    if all(example.time is not None for example in some):
        names["date"] = _of_dates(some)
    chosen = labels[:1] if _is_one_of_two(some, kind) else labels[:MOST_LABELS]
    told = tuple(_probe(name, features, some, chosen, kind) for name, features in names.items())
    return Probes(told_by=told, named=_named(some, labels[:MOST_NAMES], kind) if _too_few(some, labels) is None else ())


def _some(train: Sequence[Example]) -> list[Example]:
    """All examples of as many subjects as it takes, in their order."""
    if len(train) <= MOST_EXAMPLES:
        return list(train)
    sizes = Counter(example.subject for example in train)
    kept: set[str] = set()
    number = 0
    for subject in sorted(sizes, key=lambda subject: hashlib.sha256(subject.encode()).digest()):
        if number >= MOST_EXAMPLES:
            break
        kept.add(subject)
        number += sizes[subject]
    return [example for example in train if example.subject in kept]


def _frequent(examples: Sequence[Example], kind: Kind) -> list[tuple[str, int]]:
    """Labels that enough examples have and lack, the most frequent first."""
    counts = Counter(label for example in examples for label in labels_of(example, kind))
    most = len(examples) - LEAST_OF_EACH
    found = [(label, number) for label, number in counts.items() if LEAST_OF_EACH <= number <= most]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _is_one_of_two(examples: Sequence[Example], kind: Kind) -> bool:
    """Whether each has one of two labels, so that one says all of the other."""
    return kind != "multilabel" and len({example.label for example in examples}) == 2


def _too_few(examples: Sequence[Example], labels: Sequence[str]) -> str | None:
    if len(examples) < LEAST_EXAMPLES:
        return f"fewer than {LEAST_EXAMPLES} examples to train on"
    if len({example.subject for example in examples}) < NUM_FOLDS * 2:
        return f"fewer than {NUM_FOLDS * 2} subjects to train on"
    return None if labels else f"no label that {LEAST_OF_EACH} examples have and {LEAST_OF_EACH} lack"


def _of_ids(examples: Sequence[Example]) -> list[list[float]]:
    """The first and last number in it, the last one's parity and last digit, and how long it is."""
    rows = []
    for example in examples:
        numbers = [int(number) for number in NUMBER.findall(example.example)] or [0]
        last = numbers[-1]
        rows.append([float(numbers[0]), float(last), float(last % 2), float(last % 10), float(len(example.example))])
    return rows


def _of_lengths(examples: Sequence[Example]) -> list[list[float]]:
    """In characters and in words, both texts of a pair together."""
    texts = [f"{example.text} {example.text_b or ''}" for example in examples]
    return [[float(len(text)), float(len(text.split()))] for text in texts]


def _of_dates(examples: Sequence[Example]) -> list[list[float]]:
    days = [example.time for example in examples if example.time is not None]
    return [[float(day.toordinal()), float(day.month), float(day.weekday())] for day in days]


def _probe(
    name: Any, features: list[list[float]], examples: Sequence[Example], labels: Sequence[str], kind: Kind
) -> Probe:
    """A small tree's AUROC over subjects that it was not fitted on, averaged over the labels."""
    subjects = tuple(example.subject for example in examples)
    if reason := _too_few(examples, labels):
        return Probe(of=name, auroc=None, low=None, high=None, num_subjects=len(set(subjects)), reason=reason)
    import numpy as np

    from clinpeft.metrics.base import METRICS, Predictions
    from clinpeft.metrics.intervals import score

    gold = np.array([[label in labels_of(example, kind) for label in labels] for example in examples], dtype=np.int64)
    missing = np.array([[label in example.missing for label in labels] for example in examples])
    predictions = Predictions(
        kind="multilabel",
        labels=tuple(labels),
        subjects=subjects,
        gold=gold,
        scores=_cross_validated(np.array(features), gold, subjects),
        missing=missing,
    )
    found = score(METRICS.get("auroc")(), predictions, num_resamples=NUM_RESAMPLES)
    return Probe(
        of=name,
        auroc=_rounded(found.value),
        low=_rounded(found.low),
        high=_rounded(found.high),
        num_subjects=found.num_subjects,
        reason=found.reason if found.value is None else None,
    )


def _cross_validated(features: Any, gold: Any, subjects: Sequence[str]) -> Floats:
    """Float [n, k]: what a tree says that was fitted on other subjects."""
    import numpy as np
    from sklearn.model_selection import GroupKFold
    from sklearn.tree import DecisionTreeRegressor

    scores = np.zeros(gold.shape)
    for others, own in GroupKFold(NUM_FOLDS).split(features, gold, subjects):
        tree = DecisionTreeRegressor(max_depth=3, min_samples_leaf=SMALLEST_LEAF, random_state=0)
        said = tree.fit(features[others], gold[others]).predict(features[own])
        scores[own] = said.reshape(len(own), -1)
    return scores


def _named(examples: Sequence[Example], labels: Sequence[str], kind: Kind) -> tuple[NamedLabel, ...]:
    """Labels whose own examples hold their name as words much more often than others do; the clearest first."""
    texts = [_in_words(f"{example.text} {example.text_b or ''}") for example in examples]
    found = [_told_apart(label, [_in_words(label) in text for text in texts], examples, kind) for label in labels]
    flagged = sorted((item for item in found if item is not None), key=lambda item: (-item.low, item.label))
    return tuple(flagged[:MOST_LISTED])


def _in_words(text: str) -> str:
    """Lower case, its words between single blanks, and a blank at both ends."""
    return f" {' '.join(WORD.findall(text.lower()))} "


def _told_apart(label: str, holds: Sequence[bool], examples: Sequence[Example], kind: Kind) -> NamedLabel | None:
    """None where the name stands about as often in the texts of other labels."""
    if not WORD.search(label) or not any(holds):
        return None
    import numpy as np

    from clinpeft.metrics.intervals import summary, totals

    has = np.array([label in labels_of(example, kind) for example in examples])
    known = np.array([label not in example.missing for example in examples])
    held = np.array(holds)
    statistics = np.stack([held & has & known, has & known, held & ~has & known, ~has & known], axis=1).astype(float)
    subjects = [example.subject for example in examples]
    sums, drawn = totals(statistics, subjects, num_resamples=NUM_RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        own, elsewhere = float(sums[0] / sums[1]), float(sums[2] / sums[3])
        excess = drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3]
    found = summary(own - elsewhere, excess, subjects, "no example lacks it")
    if found.value is None or found.low is None or found.high is None:
        return None
    named = NamedLabel(
        label=label,
        share=round(own, 4),
        elsewhere=round(elsewhere, 4),
        low=round(found.low, 4),
        high=round(found.high, 4),
    )
    return named if named.is_flagged else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
