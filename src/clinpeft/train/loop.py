"""The training loop: forward, backward, step, schedule, early stop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from clinpeft.data.batch import Batch, Stream
from clinpeft.methods.base import Method
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind, TrainOptions
from clinpeft.train.checkpoint import Checkpoints
from clinpeft.train.engine import Engine
from clinpeft.train.features import FrozenFeatures, for_training
from clinpeft.train.interruption import Interrupted, Interruption
from clinpeft.train.loss import loss_of, num_judged
from clinpeft.train.meter import Meter
from clinpeft.train.precision import LossScaling, computing
from clinpeft.train.sharding import go_along, is_sharded
from clinpeft.train.shares import ALONE, Following, Shares
from clinpeft.train.state import Fitted, TrainingState


class Diverged(Exception):
    """The loss or its gradient is no longer finite."""


@dataclass(frozen=True)
class Training:
    """A run that is set up: what is trained, on what, and how."""

    model: ClinicalModel = field(repr=False)
    method: Method
    stream: Stream = field(repr=False)
    """The batches of an epoch, by its number."""
    num_steps: int
    """At most; the learning rate has come down to zero then."""
    kind: Kind
    options: TrainOptions
    seed: int
    engine: Engine
    class_weights: torch.Tensor | None = field(default=None, repr=False)
    """On the engine's device."""


def fit(
    training: Training,
    judge: Callable[[], float | None],
    meter: Meter,
    checkpoints: Checkpoints | None = None,
    saved: Mapping[str, Any] | None = None,
    shares: Shares = ALONE,
    is_behind: Callable[[], bool] = lambda: False,
) -> Fitted:
    """Train until the epochs, steps, time or patience run out, and leave the best epoch's weights in the model.

    `judge` gives the headline score after an epoch, higher is better; None (undefined) never counts as better, and
    if no epoch has a score the last epoch's weights stay. Time spent in it is not training time.
    saved: what `checkpoints.newest()` gave; training goes on from there, bit for bit on the same machine.
    shares: who else computes a part of every batch; the others are in `follow`.
    is_behind: asked after every epoch but the last whether the run need not go on.
    Raises Diverged when the loss or its gradient is NaN or infinite, and Interrupted when a signal came: with
    `checkpoints`, the first one lets the step end and be saved.
    """
    torch.manual_seed(training.seed)
    fitting = _Fitting(training, meter, checkpoints, shares)
    if saved is not None and checkpoints is not None:
        fitting.go_on(saved, checkpoints)
    shares.begin(fitting.trainable)
    with Interruption(is_on=checkpoints is not None) as interruption:
        for _ in range(fitting.state.reached.epoch, training.options.epochs):
            fitting.train_an_epoch(interruption)
            fitting.judge_the_epoch(judge, interruption)
            if fitting.is_over():
                break
            if fitting.state.reached.epoch < training.options.epochs and is_behind():
                return replace(fitting.end(), is_pruned=True)
    return fitting.end()


def follow(training: Training, rank: int, size: int) -> None:
    """Compute the gradient of this process's share of every batch, with the leader's parameters, until that ends it.

    The model must be set up as the leader's is. Whatever is decided (steps, scores, when to stop) the leader decides.
    """
    model, network = training.model, for_training(training.model)
    example = next(next(training.stream(0)).parts(1))
    along = partial(go_along, model, example, training.engine.precision) if is_sharded(model) else None
    shares = Following(rank, size, [value for value in model.parameters() if value.requires_grad], along)
    model.train()
    for batch, scale in shares.steps(training.stream, training.seed):
        _backward(network, training, batch, partial(torch.mul, other=scale), None, shares)


class _Fitting:
    """A training under way."""

    def __init__(self, training: Training, meter: Meter, checkpoints: Checkpoints | None, shares: Shares) -> None:
        self.training, self.checkpoints, self.shares = training, checkpoints, shares
        self.watch, model, options = meter.watch, training.model, training.options
        method, engine = training.method, training.engine
        assert isinstance(options.learning_rate, float)
        assert isinstance(options.head_learning_rate, float)
        rates = options.learning_rate, options.head_learning_rate
        self.optimizer = method.optimizer(method.parameter_groups(model, *rates, options.weight_decay))
        warmup = max(1, round(options.warmup_fraction * training.num_steps))
        is_constant = options.schedule == "constant"
        share = partial(_schedule, warmup=warmup, num_steps=training.num_steps, is_constant=is_constant)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, share)
        self.network = for_training(model)
        self.scaling = LossScaling(engine.precision, engine.device)
        self.state = TrainingState(model, method, self.optimizer, self.scheduler, self.scaling, engine, meter)
        self.trainable = list(self.state.trainable.values())

    def go_on(self, saved: Mapping[str, Any], checkpoints: Checkpoints) -> None:
        """Go on from a checkpoint; one that does not fit is named and left aside, and the run starts again."""
        problem = self.state.refuses(saved)
        if problem is not None:
            checkpoints.reject(checkpoints.steps(), problem)
            return
        self.state.load(saved)
        if isinstance(self.network, FrozenFeatures):
            self.network.recall(self.training.stream, self.state.reached, self.training.engine, self.shares)
        self.state.load_random(saved)

    def is_over(self) -> bool:
        """Whether no epoch follows this one, though there were some left."""
        patience = self.training.options.early_stopping_patience
        has_lost_patience = patience is not None and self.state.reached.epochs_since_best >= patience
        return has_lost_patience or self._is_spent()

    def train_an_epoch(self, interruption: Interruption) -> None:
        """Or what is left of it."""
        reached = self.state.reached
        self.training.model.train()
        for batch in itertools.islice(self.training.stream(reached.epoch), reached.batches, None):
            if self._is_spent():
                return
            with self.watch.training():
                loss = self._step(batch)
            reached.batches += 1
            reached.tokens += int(batch.attention_mask.sum())
            reached.examples += len(batch.indices)
            if reached.step:  # In fp16 the first ones may be left out.
                self.watch.stepped(reached.step, self.training.num_steps, loss, reached.tokens)
            if self.checkpoints is not None:
                _save(self.state, self.checkpoints, interruption)

    def judge_the_epoch(self, judge: Callable[[], float | None], interruption: Interruption) -> None:
        reached = self.state.reached
        try:
            with interruption.at_once(), self.watch.evaluating():
                score = judge()
        except Interrupted:
            if self.checkpoints is not None:
                self.checkpoints.write(reached.step, self.state.saved())
            raise
        reached.epoch, reached.batches = reached.epoch + 1, 0
        reached.epochs_since_best += 1
        if score is not None and (reached.best_score is None or score > reached.best_score):
            self.state.keep_as_best(score)

    def end(self) -> Fitted:
        """The best epoch's weights go into the model."""
        self.state.restore_best()
        reached = self.state.reached
        best_step = reached.step if self.state.best is None else reached.best_step
        return Fitted(reached.step, reached.examples, reached.tokens, best_step, reached.best_score)

    def _step(self, batch: Batch) -> float:
        """Forward, backward and the optimiser's step; returns the loss."""
        training, reached, scaling = self.training, self.state.reached, self.scaling
        self.shares.hand_out(reached.epoch, reached.batches, scaling.factor())
        penalty = training.method.extra_loss(training.model)
        loss = _backward(self.network, training, batch, scaling.scaled, penalty, self.shares)
        if not math.isfinite(loss):
            raise Diverged(f"the loss at step {reached.step + 1} is not a finite number")
        scaling.unscale(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.trainable, 1.0).item()
        if not math.isfinite(norm) and not scaling.may_skip():
            raise Diverged(f"the gradient at step {reached.step + 1} is not finite")
        if scaling.step(self.optimizer, norm):
            self.scheduler.step()
            reached.step += 1
            training.method.after_step(training.model, reached.step)
        self.optimizer.zero_grad(set_to_none=True)
        return loss

    def _is_spent(self) -> bool:
        """Whether there is no step or no time left."""
        limit = self.training.options.time_limit_seconds
        return self.state.reached.step >= self.training.num_steps or self.watch.is_over(limit)


def _save(state: TrainingState, checkpoints: Checkpoints, interruption: Interruption) -> None:
    """Write a checkpoint when it is time for one, or when this was the last step for now."""
    if interruption.signal is None:
        checkpoints.offer(state.reached.step, state.saved)
        return
    checkpoints.write(state.reached.step, state.saved())
    raise Interrupted


def _backward(
    network: nn.Module,
    training: Training,
    batch: Batch,
    scaled: Callable[[torch.Tensor], torch.Tensor],
    penalty: torch.Tensor | None = None,
    shares: Shares = ALONE,
) -> float:
    """Add the (scaled) gradient of the batch's loss, part by part as memory allows, and return the loss."""
    kind, engine, class_weights = training.kind, training.engine, training.class_weights
    in_all = num_judged(batch, kind, class_weights)
    loss = 0.0
    for number, (part, counts) in enumerate(shares.parts(batch, engine.pieces_at_once)):
        share = counts * (num_judged(part, kind, class_weights) / in_all if in_all else 1.0)
        part = part.to(engine.device)
        with computing(engine.precision, engine.device):
            logits = network(part)
        total = loss_of(logits, part, kind, class_weights) * share
        if number == 0 and penalty is not None:
            total = total + penalty
        scaled(total).backward()  # type: ignore[no-untyped-call]
        loss += total.item()
    return shares.gather(loss)


def _schedule(step: int, warmup: int, num_steps: int, *, is_constant: bool = False) -> float:
    """Linear warm-up, then linear decay to zero (or none); the share of the learning rate at a step."""
    if step < warmup:
        return (step + 1) / warmup
    if is_constant:
        return 1.0
    return max(0.0, (num_steps - step) / max(1, num_steps - warmup))
