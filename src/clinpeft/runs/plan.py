"""What a study will take."""
from __future__ import annotations
from clinpeft.runs.probe import Probed
from clinpeft.spec import TrainOptions


def seconds_of(found: Probed, options: TrainOptions, epochs: int) -> float:
    return found.first_epoch_seconds + (epochs - 1) * found.epoch_seconds + epochs * found.epoch_evaluation_seconds + found.final_evaluation_seconds
