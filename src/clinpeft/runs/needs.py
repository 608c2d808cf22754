"""What one run needs, as a probe measured it or as it follows from sizes, and what that comes to over its epochs."""

from __future__ import annotations

from math import ceil
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
    """Of one judgement: after each epoch, or as often as the study says."""
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


def seconds_of(needs: Needs, options: TrainOptions, judgements: int | None = None) -> float:
    """Training and evaluation of a run; its limits on steps and time hold.

    judgements: after how many early stopping ends it; None where it does not.
    """
    if not needs.steps_an_epoch:  # A baseline is fitted once.
        return needs.first_epoch_seconds + needs.final_evaluation_seconds
    between = (options.judge.every_steps if options.judge else None) or needs.steps_an_epoch
    steps: float = options.epochs * needs.steps_an_epoch
    if options.max_steps is not None:
        steps = min(steps, options.max_steps)
    if judgements is not None:
        steps = min(steps, judgements * between)
    training, one = _training_seconds(needs, steps), needs.epoch_evaluation_seconds
    judging = one * ceil(steps / between)
    limit = options.time_limit_seconds
    if limit is not None and options.time_limit_counts == "everything":
        # The judgement after the limit, like the final evaluation, is made all the same.
        return min(training + judging, limit + one) + needs.final_evaluation_seconds
    if limit is not None and limit < training:
        training, judging = limit, one * ceil(_steps_within(needs, limit) / between)
    return training + judging + needs.final_evaluation_seconds


def fewest_judgements(options: TrainOptions) -> int | None:
    """After which early stopping can end a run: one that is best, then as many as it has patience; None without it."""
    patience = options.early_stopping_patience
    return None if patience is None else 1 + patience


def _training_seconds(needs: Needs, steps: float) -> float:
    epochs = steps / needs.steps_an_epoch
    return needs.first_epoch_seconds * min(1.0, epochs) + needs.epoch_seconds * max(0.0, epochs - 1)


def _steps_within(needs: Needs, seconds: float) -> float:
    """Of training that takes longer."""
    if seconds <= needs.first_epoch_seconds:
        return needs.steps_an_epoch * seconds / needs.first_epoch_seconds
    return needs.steps_an_epoch * (1 + (seconds - needs.first_epoch_seconds) / needs.epoch_seconds)
