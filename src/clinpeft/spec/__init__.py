"""What is asked for, as plain data: a Study as its author writes it, and the RunSpecs it comes to."""

from clinpeft.spec.choices import Files, MethodChoice, ModelChoice, TaskChoice
from clinpeft.spec.examples import SplitChoice, Subset, ValidationChoice
from clinpeft.spec.names import (
    BASELINES,
    ENCODER_BASELINE,
    SCHEMA,
    BaselineName,
    CostField,
    Dropout,
    Kind,
    Mode,
    Name,
    Scalar,
)
from clinpeft.spec.run import LATER, LATER_OPTIONS, Identity, MethodSpec, RunSpec, run_id
from clinpeft.spec.study import PRESETS, Budget, Halving, Select, Study, Tune
from clinpeft.spec.training import SET_BY_MODEL, Judging, Privacy, TrainOptions

__all__ = [
    "BASELINES",
    "ENCODER_BASELINE",
    "LATER",
    "LATER_OPTIONS",
    "PRESETS",
    "SCHEMA",
    "SET_BY_MODEL",
    "BaselineName",
    "Budget",
    "CostField",
    "Dropout",
    "Files",
    "Halving",
    "Identity",
    "Judging",
    "Kind",
    "MethodChoice",
    "MethodSpec",
    "Mode",
    "ModelChoice",
    "Name",
    "Privacy",
    "RunSpec",
    "Scalar",
    "Select",
    "SplitChoice",
    "Study",
    "Subset",
    "TaskChoice",
    "TrainOptions",
    "Tune",
    "ValidationChoice",
    "run_id",
]
