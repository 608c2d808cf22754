"""Random predictions of every kind, with ties and rare classes, for comparison with reference libraries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.spec import Kind

Make = Callable[..., Predictions]
Value = Callable[[str, Predictions], float]


@pytest.fixture
def value() -> Value:
    """A metric by name under weights of one; it must be defined."""

    def value_of(name: str, predictions: Predictions) -> float:
        metric = METRICS.get(name)()
        assert metric.undefined(predictions) is None
        return float(metric.values(predictions, np.ones((1, len(predictions))))[0])

    return value_of


@pytest.fixture
def make() -> Make:
    """n random examples with k labels; scores are rounded, so that many tie."""

    def made(
        generator: np.random.Generator, kind: Kind = "classification", n: int = 30, k: int = 2, missing: float = 0.0
    ) -> Predictions:
        labels = tuple(f"label{index}" for index in range(k))
        subjects = tuple(f"subject{index}" for index in generator.integers(0, max(1, n // 2), size=n))
        scores = generator.random((n, k)).round(1) + 0.05
        if kind == "multilabel":
            gold = (generator.random((n, k)) < generator.random(k)).astype(np.int64)
            cells = generator.random((n, k)) < missing
            return Predictions(kind, labels, subjects, gold=gold, scores=scores / 1.2, missing=cells)
        gold = generator.integers(0, k, size=n)
        scores = scores / scores.sum(axis=1, keepdims=True)
        return Predictions(kind, labels, subjects, gold=gold, scores=scores, positive=1 if k == 2 else None)

    return made


@pytest.fixture
def make_entities() -> Make:
    """n random sentences of valid and invalid IOB2 tags over three types; most predicted tags are right."""

    def made(generator: np.random.Generator, n: int = 12) -> Predictions:
        types = ("drug", "dose", "ade")
        tags = ["O", "O", *(f"{prefix}-{name}" for name in types for prefix in ("B", "I", "I"))]
        gold, predicted = [], []
        for length in generator.integers(0, 12, size=n):
            row = generator.choice(tags, size=length)
            other = generator.choice(tags, size=length)
            gold.append(tuple(str(tag) for tag in row))
            predicted.append(tuple(str(tag) for tag in np.where(generator.random(length) < 0.7, row, other)))
        return Predictions(
            "entities",
            types,
            tuple(str(i) for i in range(n)),
            gold_tags=tuple(gold),
            predicted_tags=tuple(predicted),
            word_ends=tuple(tuple(range(4, 5 * len(tags), 5)) for tags in gold),
        )

    return made


@pytest.fixture
def binary() -> Callable[[list[int], list[float]], Predictions]:
    """A binary task from gold and the positive class's scores; every example is a subject of its own."""

    def made(gold: list[int], scores: list[float]) -> Predictions:
        positive = np.array(scores, dtype=np.float64)
        blank = Predictions("classification", ("no", "yes"), tuple(f"s{i:03}" for i in range(len(gold))), positive=1)
        return replace(
            blank, gold=np.array(gold, dtype=np.int64), scores=np.stack([1 - positive, positive], axis=1).reshape(-1, 2)
        )

    return made
