"""How runs train."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from clinpeft.frozen import Frozen
from clinpeft.spec.examples import Subset
from clinpeft.spec.names import Dropout, Name


class Privacy(Frozen):
    """Differentially private training."""

    epsilon: Annotated[float, Field(gt=0)]
    delta: Annotated[float, Field(gt=0, lt=1)]
    unit: Literal["subject", "example"] = "subject"


class Judging(Frozen):
    """How the weights that a run ends with are chosen, where not as docs/decisions/0008 says."""

    metric: Name | None = None
    """Of validation; null, and where it is not defined for a task: the task's headline metric."""
    every_steps: Annotated[int, Field(gt=0)] | None = None
    """Null: after every epoch. Patience counts judgements."""
    examples: Annotated[int, Field(gt=0)] | Literal["all"] = 500
    """Of validation that are looked at, at most."""
    keep: Literal["best", "last"] = "best"


class TrainOptions(Frozen):
    """How a run trains; the same for every run of a study but for the resolved learning rate (and `models: train`)."""

    epochs: Annotated[int, Field(gt=0)] = 5
    max_steps: Annotated[int, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(gt=0)] = 32
    """Examples in one optimiser step."""
    max_length: Annotated[int, Field(ge=8)] = 512
    """Word pieces of one example, special tokens included."""
    long_text: Literal["truncate", "head_tail", "sections", "windows", "windows_max", "windows_attention"] = "truncate"
    """What of a text that is longer is read: its start, both ends, the telling sections, or all of it in overlapping
    windows (docs/how-to/long-notes.md)."""
    learning_rate: Literal["method"] | Annotated[float, Field(gt=0)] = "method"
    """`method`: each method's own default; a number: that one for all (as the 2024 study did)."""
    head_learning_rate: Literal["backbone"] | Annotated[float, Field(gt=0)] = 3e-3
    """One value for every method of a study, else a bad head rate reads as a bad method; `backbone`: the run's other
    rate (as the 2024 study did)."""
    schedule: Literal["linear", "constant"] = "linear"
    """Of the rates, after the warm-up: down to zero, or as they are."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.06
    early_stopping_patience: Annotated[int, Field(gt=0)] | None = 2
    """Epochs without a better validation score after which training stops; null never stops early."""
    dropout: Dropout = "hidden"
    """Of the pre-trained backbone: that of its hidden states, as large as in its configuration; that of its attention
    as well (`model`, as in the 2024 study); or none."""
    class_weights: Literal["none", "balanced"] = "none"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    threads: Annotated[int, Field(gt=0)] | None = None
    time_limit_seconds: Annotated[float, Field(gt=0)] | None = None
    """Training time after which a run ends with its best weights so far; evaluation is not counted."""
    time_limit_counts: Literal["training", "everything"] = "training"
    """`everything`: judging counts too (as in the 2024 study)."""
    judge: Judging | None = None
    order_seed: Annotated[int, Field(ge=0)] | None = None
    """One order of examples and one dropout for all seeds of a study, which then differ in their first weights only
    (as in the 2024 study); null: the run's own."""
    subset: Subset | None = None
    group: Literal["auto", "off"] | Annotated[int, Field(gt=0)] = "auto"
    privacy: Privacy | None = None

    @model_validator(mode="after")
    def _last_weights_need_all_epochs(self) -> Self:
        if self.judge and self.judge.keep == "last" and self.early_stopping_patience is not None:
            raise ValueError("judge: {keep: last} trains to the end; set 'early_stopping_patience' to null")
        return self

    def planned_steps(self, num_examples: int) -> int:
        """Optimiser steps when nothing stops the run early."""
        steps = self.epochs * math.ceil(num_examples / self.batch_size)
        return steps if self.max_steps is None else min(steps, self.max_steps)


SET_BY_MODEL = frozenset(TrainOptions.model_fields) - {"subset", "judge", "privacy", "threads", "group"}
"""The training options that a model of a study may have for itself."""
