"""What one run needs, as a probe measured it or as it follows from sizes, and what that comes to over its epochs."""

from __future__ import annotations

from typing import Literal

from clinpeft.frozen import Frozen
from clinpeft.spec import TrainOptions

Way = Literal["probe", "analytic", "record"]
"""A measured probe of a few steps, sizes and shapes alone, or what the run itself took."""


class Needs(Frozen):
    """Of one run; seconds are by epochs where they depend on them."""

    setup_seconds: float
    """Reading, tokenising, loading: before training, and counted as neither training nor evaluation."""
    first_epoch_seconds: float
    """Of training, with what happens once: kernels are made, a frozen backbone's features are computed."""
    epoch_seconds: float
    """Of any later epoch."""
    steps_an_epoch: int
    epoch_evaluation_seconds: float
    """After each epoch."""
    final_evaluation_seconds: float
    """Validation and test, once."""
    peak_host_bytes: float
    peak_device_bytes: float | None
    watts: float | None
    """While it computes; None where energy cannot be measured."""
    adapter_bytes: float
    trained_parameters: int
    weights_bytes: float = 0.0
    """Of the model, in the form in which it trains; 0 where nobody counted."""
    load_bytes: float = 0.0
    """Of the model while it is loaded, in float32."""
    working_bytes: float = 0.0
    """Reckoned: what training takes beside the weights."""


def seconds_of(needs: Needs, options: TrainOptions, epochs: int) -> float:
    """Training and evaluation of a run that ends after so many epochs; its limits on steps and time hold."""
    training = needs.first_epoch_seconds + (epochs - 1) * needs.epoch_seconds
    if options.max_steps is not None and needs.steps_an_epoch:
        share = min(1.0, options.max_steps / (epochs * needs.steps_an_epoch))
        training, epochs = share * training, max(1, -int(-share * epochs // 1))
    if options.time_limit_seconds is not None and training > options.time_limit_seconds:
        epochs = max(1, -int(-epochs * options.time_limit_seconds / training // 1))
        training = options.time_limit_seconds
    return training + epochs * needs.epoch_evaluation_seconds + needs.final_evaluation_seconds


def fewest_epochs(options: TrainOptions) -> int:
    """After which early stopping can end a run: one that is best, then as many as it has patience."""
    patience = options.early_stopping_patience
    return options.epochs if patience is None else min(options.epochs, 1 + patience)
