"""Class weights are those of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from clinpeft.data.card import Card
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example
from clinpeft.train.weights import class_weights


def card(kind: Kind, *labels: str) -> Card:
    return Card.model_construct(name="made-up", kind=kind, labels=labels, positive=None, metric="accuracy")


def examples(*rows: dict[str, Any]) -> list[Example]:
    return [Example(str(number), str(number), str(number), "", **row) for number, row in enumerate(rows)]


@pytest.mark.parametrize("kind", ["classification", "pairs", "relations"])
def test_classes_weigh_as_in_scikit_learn(kind: Kind) -> None:
    labels = list("abbacbbbbba")
    weights = class_weights(examples(*({"label": label} for label in labels)), card(kind, "c", "a", "b"), "balanced")

    assert weights is not None
    expected = compute_class_weight("balanced", classes=np.array(["c", "a", "b"]), y=labels)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-6)


def test_tags_weigh_as_in_scikit_learn() -> None:
    tags = ["O", "O", "O", "B-drug", "I-drug", "O", "B-drug", "O"]
    train = examples({"tags": tuple(tags[:3])}, {"tags": tuple(tags[3:])})
    weights = class_weights(train, card("entities", "drug"), "balanced")

    assert weights is not None
    expected = compute_class_weight("balanced", classes=np.array(["O", "B-drug", "I-drug"]), y=tags)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-6)


def test_a_class_that_train_lacks_weighs_one() -> None:
    weights = class_weights(examples({"label": "a"}, {"label": "a"}), card("classification", "a", "b"), "balanced")

    # Two examples over two classes times two of the one there is.
    assert weights is not None
    assert weights.tolist() == [0.5, 1.0]


def test_a_labels_positives_weigh_as_its_negatives_outnumber_them() -> None:
    train = examples(
        {"labels": ("rare", "always")},
        {"labels": ("always",)},
        {"labels": ("always",)},
        {"labels": ("always", "gap")},
        {"labels": ("always",), "missing": ("gap", "rare")},
    )
    weights = class_weights(train, card("multilabel", "rare", "gap", "never", "always"), "balanced")

    # rare: 3 negatives to 1 of the 4 annotated; gap: 3 to 1; without any contrast nothing is weighed.
    assert weights is not None
    assert weights.tolist() == [3.0, 3.0, 1.0, 1.0]


@pytest.mark.parametrize("rule", ["none", "balanced"])
def test_nothing_is_weighed_without_the_rule_or_without_examples(rule: Any) -> None:
    train = examples({"label": "a"}, {"label": "b"}) if rule == "none" else []

    assert class_weights(train, card("classification", "a", "b"), rule) is None
