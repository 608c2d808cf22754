"""The training loop: forward, backward, step, schedule, early stop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from clinpeft.data.batch import IGNORED, Batch, training_batches
from clinpeft.data.tokenize import Encoded
from clinpeft.methods.base import Method
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind, TrainOptions
from clinpeft.train.checkpoint import Checkpoints
from clinpeft.train.engine import Engine
from clinpeft.train.features import FrozenFeatures, for_training
from clinpeft.train.interruption import Interrupted, Interruption
from clinpeft.train.meter import Meter
from clinpeft.train.precision import LossScaling, computing
from clinpeft.train.shares import ALONE, Following, Shares
from clinpeft.train.state import Reached, TrainingState

Stream = Callable[[int], Iterator[Batch]]


class Diverged(Exception):
    """The loss or its gradient is no longer finite."""


@dataclass(frozen=True)
class Fitted:
    """What training came to; the model holds the weights of its best epoch."""

    steps: int
    examples: int
    tokens: int
    best_step: int
    best_score: float | None

    def work(self) -> dict[str, int]:
        """What a record says of it."""
        return {"steps": self.steps, "examples": self.examples, "tokens": self.tokens, "best_step": self.best_step}


def fit(
    model: ClinicalModel,
    method: Method,
    stream: Stream,
    num_steps: int,
    kind: Kind,
    options: TrainOptions,
    seed: int,
    engine: Engine,
    class_weights: torch.Tensor | None,
    judge: Callable[[], float | None],
    meter: Meter,
    checkpoints: Checkpoints | None = None,
    saved: Mapping[str, Any] | None = None,
    shares: Shares = ALONE,
) -> Fitted:
    """Train until the epochs, steps, time or patience run out, and leave the best epoch's weights in the model.

    `judge` gives the headline score after an epoch, higher is better; None (undefined) never counts as better, and
    if no epoch has a score the last epoch's weights stay. Time spent in it is not training time.
    saved: what `checkpoints.newest()` gave; training goes on from there, bit for bit on the same machine.
    shares: who else computes a part of every batch; the others are in `follow`.
    Raises Diverged when the loss or its gradient is NaN or infinite, and Interrupted when a signal came: with
    `checkpoints`, the first one lets the step end and be saved.
    """
    assert isinstance(options.learning_rate, float)
    watch = meter.watch
    class_weights = None if class_weights is None else class_weights.to(engine.device)
    groups = method.parameter_groups(model, options.learning_rate, options.head_learning_rate, options.weight_decay)
    optimizer = method.optimizer(groups)
    warmup = max(1, round(options.warmup_fraction * num_steps))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _schedule(step, warmup, num_steps))
    network, scaling = for_training(model), LossScaling(engine.precision, engine.device)
    state = TrainingState(model, method, optimizer, scheduler, scaling, engine, meter)
    trainable = list(state.trainable.values())
    torch.manual_seed(seed)
    if saved is not None and checkpoints is not None:
        _go_on(state, saved, checkpoints, network, stream, shares)
    shares.begin(trainable)
    reached = state.reached

    def is_over() -> bool:
        return reached.step >= num_steps or watch.is_over(options.time_limit_seconds)

    with Interruption(is_on=checkpoints is not None) as interruption:
        while reached.epoch < options.epochs:
            model.train()
            for batch in itertools.islice(stream(reached.epoch), reached.batches, None):
                if is_over():
                    break
                with watch.training():
                    shares.hand_out(reached.epoch, reached.batches, scaling.factor())
                    penalty = method.extra_loss(model)
                    loss = _backward(network, penalty, batch, kind, engine, class_weights, scaling.scaled, shares)
                    if not math.isfinite(loss):
                        raise Diverged(f"the loss at step {reached.step + 1} is not a finite number")
                    scaling.unscale(optimizer)
                    norm = nn.utils.clip_grad_norm_(trainable, 1.0).item()
                    if not math.isfinite(norm) and not scaling.may_skip():
                        raise Diverged(f"the gradient at step {reached.step + 1} is not finite")
                    if scaling.step(optimizer, norm):
                        scheduler.step()
                        reached.step += 1
                        method.after_step(model, reached.step)
                    optimizer.zero_grad(set_to_none=True)
                reached.batches += 1
                reached.tokens += int(batch.attention_mask.sum())
                reached.examples += len(batch.indices)
                if reached.step:  # In fp16 the first ones may be left out.
                    watch.stepped(reached.step, num_steps, loss, reached.tokens)
                if checkpoints is not None:
                    _save(state, checkpoints, interruption)
            try:
                with interruption.at_once(), watch.evaluating():
                    score = judge()
            except Interrupted:
                if checkpoints is not None:
                    checkpoints.write(reached.step, state.saved())
                raise
            reached.epoch, reached.batches = reached.epoch + 1, 0
            reached.epochs_since_best += 1
            if score is not None and (reached.best_score is None or score > reached.best_score):
                state.keep_as_best(score)
            patience = options.early_stopping_patience
            if is_over() or (patience is not None and reached.epochs_since_best >= patience):
                break

    state.restore_best()
    best_step = reached.step if state.best is None else reached.best_step
    return Fitted(reached.step, reached.examples, reached.tokens, best_step, reached.best_score)


def follow(
    model: ClinicalModel,
    stream: Stream,
    kind: Kind,
    seed: int,
    engine: Engine,
    class_weights: torch.Tensor | None,
    rank: int,
    size: int,
) -> None:
    """Compute the gradient of this process's share of every batch, with the leader's parameters, until that ends it.

    The model must be set up as the leader's is. Whatever is decided (steps, scores, when to stop) the leader decides.
    """
    class_weights = None if class_weights is None else class_weights.to(engine.device)
    network = for_training(model)
    shares = Following(rank, size, [value for value in model.parameters() if value.requires_grad])
    model.train()
    for batch, scale in shares.steps(stream, seed):
        _backward(network, None, batch, kind, engine, class_weights, partial(torch.mul, other=scale), shares)


def training_stream(encoded: Sequence[Encoded], batch_size: int, pad_id: int, seed: int) -> Stream:
    """The batches of an epoch, by its number."""
    return lambda epoch: training_batches(encoded, batch_size, pad_id, seed=seed, epoch=epoch)


def planned_steps(num_examples: int, options: TrainOptions) -> int:
    """Optimiser steps when nothing stops the run early."""
    steps = options.epochs * math.ceil(num_examples / options.batch_size)
    return steps if options.max_steps is None else min(steps, options.max_steps)


def loss_of(logits: torch.Tensor, batch: Batch, kind: Kind, class_weights: torch.Tensor | None) -> torch.Tensor:
    """Mean cross-entropy over classes or tags; binary cross-entropy over labels, those nobody annotated left out."""
    if kind == "multilabel":
        known = ~torch.isnan(batch.labels)
        losses = functional.binary_cross_entropy_with_logits(
            logits, torch.nan_to_num(batch.labels), pos_weight=class_weights, reduction="none"
        )
        return (losses * known).sum() / known.sum().clamp(min=1)
    labels = batch.labels.flatten()
    if not (labels != IGNORED).any():
        # A batch of sentences without a word to tag: the mean over nothing would be NaN.
        return logits.sum() * 0
    return functional.cross_entropy(logits.flatten(0, -2), labels, class_weights, ignore_index=IGNORED)


def _go_on(
    state: TrainingState,
    saved: Mapping[str, Any],
    checkpoints: Checkpoints,
    network: nn.Module,
    stream: Stream,
    shares: Shares,
) -> None:
    """Go on from a checkpoint; one that does not fit is named and left aside, and the run starts again."""
    problem = state.refuses(saved)
    if problem is not None:
        checkpoints.reject(checkpoints.steps(), problem)
        return
    state.load(saved)
    if isinstance(network, FrozenFeatures):
        _recall(network, stream, state.reached, state.engine, shares)
    state.load_random(saved)


def _recall(network: FrozenFeatures, stream: Stream, reached: Reached, engine: Engine, shares: Shares) -> None:
    """Compute the kept features again in the batches of their first time: in others their last bits would differ."""
    for epoch in range(reached.epoch + 1):
        batches = itertools.islice(stream(epoch), reached.batches if epoch == reached.epoch else None)
        own = (share for batch in batches if (share := shares.of(batch)) is not None)
        parts = (part for share in own for part in share.parts(engine.pieces_at_once))
        with computing(engine.precision, engine.device):
            num_computed = sum(network.remember(part.to(engine.device)) for part in parts)
        if epoch and not num_computed:
            return


def _save(state: TrainingState, checkpoints: Checkpoints, interruption: Interruption) -> None:
    """Write a checkpoint when it is time for one, or when this was the last step for now."""
    if interruption.signal is None:
        checkpoints.offer(state.reached.step, state.saved)
        return
    checkpoints.write(state.reached.step, state.saved())
    raise Interrupted


def _backward(
    network: nn.Module,
    penalty: torch.Tensor | None,
    batch: Batch,
    kind: Kind,
    engine: Engine,
    class_weights: torch.Tensor | None,
    scaled: Callable[[torch.Tensor], torch.Tensor],
    shares: Shares = ALONE,
) -> float:
    """Add the (scaled) gradient of the batch's loss, part by part as memory allows, and return the loss."""
    own = shares.of(batch)
    in_all = _num_judged(batch, kind, class_weights)
    loss = 0.0
    for number, part in enumerate(own.parts(engine.pieces_at_once) if own else ()):
        share = _num_judged(part, kind, class_weights) / in_all if in_all else 1.0
        part = part.to(engine.device)
        with computing(engine.precision, engine.device):
            logits = network(part)
        total = loss_of(logits, part, kind, class_weights) * share
        if number == 0 and penalty is not None:
            total = total + penalty
        scaled(total).backward()  # type: ignore[no-untyped-call]
        loss += total.item()
    return shares.gather(loss)


def _num_judged(batch: Batch, kind: Kind, class_weights: torch.Tensor | None) -> float:
    """What the mean loss of a batch divides by, so that the losses of its parts add up to the same."""
    if kind == "multilabel":
        return float((~torch.isnan(batch.labels)).sum())
    labels = batch.labels.flatten()
    labels = labels[labels != IGNORED]
    return float(len(labels)) if class_weights is None else float(class_weights.cpu()[labels].sum())


def _schedule(step: int, warmup: int, num_steps: int) -> float:
    """Linear warm-up, then linear decay to zero; the share of the learning rate at a step."""
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (num_steps - step) / max(1, num_steps - warmup))
