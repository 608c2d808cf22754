"""Which examples a run trains, validates and tests on."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from clinpeft.frozen import Frozen
from clinpeft.spec.names import Name


class SplitChoice(Frozen):
    """How one table is cut into train, validation and test."""

    by: Name | None = None
    """Column whose values stay on one side; default the subject column; `none` splits by row."""
    time: Name | None = None
    """Column to sort by: the newest subjects become the test split."""
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of train, validation and test."""
    folds: Annotated[int, Field(ge=0, le=50)] | None = None
    """k-fold cross-validation beside a held-out test; 0 for one validation split; default 5 below 1,000 subjects."""
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6 or self.fractions[0] == 0:
            raise ValueError("fractions must be at least 0, with a train share, and add up to 1")
        if self.folds == 1:
            raise ValueError("folds: 1 leaves nothing to train on; use 0 or at least 2")
        return self


class Subset(Frozen):
    """Fewer training examples: so many of each class, or in total."""

    per_class: Annotated[int, Field(gt=0)] | None = None
    total: Annotated[int, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0)] | Literal["run"] = 0
    """Of the draw; `run`: the run's own, so that every seed of a study draws others, and all its methods the same."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.per_class is None) == (self.total is None):
            raise ValueError("give either 'per_class' or 'total'")
        return self


class ValidationChoice(Frozen):
    """Other examples to validate on than the dataset's; `test` and `half-of-test` stand for what publications did."""

    of: Literal["validation", "half-of-test", "test"] = "validation"
    """`half-of-test` parts the test split by chance, example by example, and tests on the other half; `test` validates
    and tests on the same examples. Both need `mode: paper`."""
    per_class: Annotated[int, Field(gt=0)] | None = None
    """Of those, so many of each class only."""
    seed: Annotated[int, Field(ge=0)] | Literal["run"] = "run"
