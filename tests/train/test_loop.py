"""The loop does what a plain torch loop does, keeps the best epoch, and stops when it should."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
import torch
from torch.nn import functional

from clinpeft.data.batch import IGNORED, Batch, collate, training_batches
from clinpeft.methods.base import Method
from clinpeft.methods.bitfit import BitFit
from clinpeft.methods.full import Full
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind, TrainOptions
from clinpeft.testing.tiny import tiny_batch, tiny_texts
from clinpeft.train import loop
from clinpeft.train.evaluate import predict_scores
from clinpeft.train.loop import Diverged
from clinpeft.train.loss import loss_of


def snapshot(model: ClinicalModel) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def are_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(value, right[name]) for name, value in left.items())


def plain_loss(logits: torch.Tensor, labels: torch.Tensor, kind: Kind) -> torch.Tensor:
    if kind == "entities":
        return functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED)
    if kind == "multilabel":
        known = ~labels.isnan()
        return functional.binary_cross_entropy_with_logits(logits[known], labels[known])
    return functional.cross_entropy(logits, labels)


def plain_loop(model: ClinicalModel, kind: Kind, factors: list[float]) -> list[float]:
    """AdamW, clipping and a schedule written out; the losses step by step."""
    groups = [
        {"params": [value], "lr": rate, "base": rate, "weight_decay": 0.01 if value.ndim > 1 else 0.0}
        for module, rate in ((model.backbone, 1e-3), (model.head, 5e-3))
        for value in module.parameters()
        if value.requires_grad
    ]
    optimizer = torch.optim.AdamW(groups, foreach=False)
    losses = []
    batches = [batch for epoch in range(3) for batch in training_batches(tiny_texts(kind), 4, 0, seed=0, epoch=epoch)]
    for batch, factor in zip(batches, factors, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = factor * group["base"]
        loss = plain_loss(model(batch), batch.labels, kind)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [value for group in groups for value in group["params"]]
        norm = math.sqrt(sum(float(value.grad.pow(2).sum()) for value in trained if value.grad is not None))
        for value in trained:
            if value.grad is not None and norm > 1:
                value.grad /= norm
        optimizer.step()
    return losses


@pytest.mark.parametrize("method", [Full(), Lora(), BitFit()], ids=lambda method: type(method).__name__)
@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_losses_are_those_of_a_plain_torch_loop(
    kind: Kind, method: Method, make_model: Any, train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []

    def recorded(*arguments: Any) -> torch.Tensor:
        loss = loss_of(*arguments)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(loop, "loss_of", recorded)
    model, reference = make_model(method, kind), make_model(method, kind)
    for each in (model, reference):
        each.head.dropout.p = 0.0
    train(model, method, kind, head_learning_rate=5e-3, warmup_fraction=0.34)

    # Six steps, two of them warm-up, then linearly down.
    expected = plain_loop(reference, kind, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(losses, expected, atol=1e-6, rtol=0)
    assert len(set(losses)) == 6


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(make_model: Any, train: Any) -> None:
    def run(seed: int) -> tuple[dict[str, torch.Tensor], np.ndarray]:
        model = make_model(Lora(), seed=seed)
        train(model, Lora(), seed=seed)
        return snapshot(model), predict_scores(model, tiny_texts("classification"), "classification", 0, "fp32")

    (weights, scores), (weights_again, scores_again), (_, scores_other) = run(1), run(1), run(2)

    assert are_equal(weights, weights_again)
    assert scores.tobytes() == scores_again.tobytes()
    assert not np.allclose(scores, scores_other, atol=1e-3)


def test_the_seed_also_orders_the_batches_and_drops_units(make_model: Any, train: Any) -> None:
    first, other = make_model(Lora(), seed=1), make_model(Lora(), seed=1)
    train(first, Lora(), seed=1)
    train(other, Lora(), seed=2)

    assert not are_equal(snapshot(first), snapshot(other))


def judged(model: ClinicalModel, scores: list[float | None]) -> tuple[Any, list[dict[str, torch.Tensor]]]:
    """A judge that gives these scores one after the other, and the weights it was shown."""
    seen: list[dict[str, torch.Tensor]] = []

    def judge() -> float | None:
        seen.append(snapshot(model))
        return scores[len(seen) - 1]

    return judge, seen


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.2, 0.9, 0.5], 1),
        ([0.2, 0.5, 0.5], 1),
        ([-3.0, -2.0, -1.0], 2),
        ([None, 0.1, None], 1),
        ([0.0, None, 0.0], 0),
    ],
)
def test_the_best_epochs_weights_stay(scores: list[float | None], best: int, make_model: Any, train: Any) -> None:
    model = make_model(Full())
    judge, seen = judged(model, scores)
    fitted = train(model, Full(), judge=judge)

    assert are_equal(snapshot(model), seen[best])
    assert not are_equal(seen[0], seen[2])
    assert (fitted.best_score, fitted.best_step, fitted.steps) == (scores[best], 2 * (best + 1), 6)


def test_without_any_score_the_last_epochs_weights_stay(make_model: Any, train: Any) -> None:
    model = make_model(Full())
    judge, seen = judged(model, [None, None, None])
    fitted = train(model, Full(), judge=judge)

    assert are_equal(snapshot(model), seen[2])
    assert (fitted.best_score, fitted.best_step) == (None, 6)


@pytest.mark.parametrize(
    ("patience", "scores", "epochs"),
    [
        (1, [0.5, 0.4, 0.9, 0.9, 0.9], 2),
        (2, [0.5, 0.4, 0.6, 0.5, 0.5], 5),
        (2, [0.5, 0.5, 0.5, 0.9, 0.9], 3),
        (2, [None, None, 0.9, 0.9, 0.9], 2),
        (None, [0.5, 0.4, 0.3, 0.2, 0.1], 5),
    ],
)
def test_training_stops_after_so_many_epochs_without_a_better_score(
    patience: int | None, scores: list[float | None], epochs: int, make_model: Any, train: Any
) -> None:
    model = make_model(HeadOnly())
    judge, seen = judged(model, scores)
    fitted = train(model, HeadOnly(), judge=judge, epochs=5, early_stopping_patience=patience)

    assert len(seen) == epochs
    assert fitted.steps == 2 * epochs


def test_training_ends_at_the_last_step_asked_for_and_is_judged_there(make_model: Any, train: Any) -> None:
    model = make_model(HeadOnly())
    judge, seen = judged(model, [0.1, 0.2])
    fitted = train(model, HeadOnly(), judge=judge, max_steps=3)

    assert (fitted.steps, fitted.examples, len(seen)) == (3, 12, 2)
    assert fitted.best_step == 3


def test_training_ends_when_its_time_is_up_and_is_judged(make_model: Any, train: Any) -> None:
    model = make_model(HeadOnly())
    judge, seen = judged(model, [0.1])
    fitted = train(model, HeadOnly(), judge=judge, time_limit_seconds=1e-9)

    assert (fitted.steps, len(seen)) == (1, 1)


def test_examples_and_word_pieces_are_counted_without_padding(make_model: Any, train: Any) -> None:
    fitted = train(make_model(HeadOnly()), HeadOnly())

    assert fitted.examples == 24
    assert fitted.tokens == 3 * (5 + 8 + 16 + 9 + 12 + 7 + 14 + 6)


def test_a_loss_that_is_not_finite_ends_the_run(make_model: Any, train: Any) -> None:
    model = make_model(Full())
    with torch.no_grad():
        model.head.out.weight[0, 0] = math.nan

    with pytest.raises(Diverged, match="the loss at step 1 is not a finite number"):
        train(model, Full())


def test_a_gradient_that_is_not_finite_ends_the_run_before_it_reaches_the_weights(make_model: Any, train: Any) -> None:
    model = make_model(HeadOnly())
    model.head.out.weight.register_hook(lambda gradient: gradient * math.inf)
    before = snapshot(model)

    with pytest.raises(Diverged, match="the gradient at step 1 is not finite"):
        train(model, HeadOnly())

    assert are_equal(before, snapshot(model))


def test_a_learning_rate_beyond_reason_does_not_pass_for_a_success(make_model: Any, train: Any) -> None:
    with pytest.raises(Diverged):
        train(make_model(Full()), Full(), learning_rate=1e30, head_learning_rate=1e30, epochs=10)


class Noting(HeadOnly):
    """Head only, with a penalty, and what the loop tells it."""

    title: ClassVar[str] = "noting"
    steps: ClassVar[list[int]] = []
    rates: ClassVar[list[float]] = []
    optimizers: ClassVar[list[torch.optim.Optimizer]] = []

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        self.optimizers.append(super().optimizer(groups))
        return self.optimizers[-1]

    def extra_loss(self, model: ClinicalModel) -> torch.Tensor | None:
        self.rates.append(self.optimizers[-1].param_groups[0]["lr"])
        return 10 * model.head.out.bias.pow(2).sum()

    def after_step(self, model: ClinicalModel, step: int) -> None:
        self.steps.append(step)


def test_a_method_adds_to_the_loss_and_is_told_of_every_step(make_model: Any, train: Any) -> None:
    penalised, plain = make_model(Noting()), make_model(HeadOnly())
    for model in (penalised, plain):
        with torch.no_grad():
            model.head.out.bias.fill_(1.0)
    train(penalised, Noting(), head_learning_rate=0.1, warmup_fraction=0.34)
    train(plain, HeadOnly(), head_learning_rate=0.1, warmup_fraction=0.34)

    assert Noting.steps == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(Noting.rates, [0.05, 0.1, 0.1, 0.075, 0.05, 0.025])
    assert penalised.head.out.bias.pow(2).sum() < plain.head.out.bias.pow(2).sum()


def test_steps_are_planned_from_examples_batches_and_epochs() -> None:
    assert TrainOptions(epochs=3, batch_size=4).planned_steps(9) == 9
    assert TrainOptions(epochs=3, batch_size=4, max_steps=5).planned_steps(9) == 5
    assert TrainOptions(epochs=3, batch_size=4, max_steps=50).planned_steps(9) == 9


def batch_with(labels: torch.Tensor) -> Batch:
    ids = torch.ones(len(labels), 2, dtype=torch.int64)
    return Batch(ids, ids, None, labels, None, tuple(range(len(labels))))


def test_a_cell_that_nobody_annotated_adds_nothing_to_loss_or_gradient() -> None:
    logits = torch.tensor([[0.0, 2.0], [-1.0, 5.0]], requires_grad=True)
    loss = loss_of(logits, batch_with(torch.tensor([[1.0, 0.0], [0.0, math.nan]])), "multilabel", None)
    loss.backward()  # type: ignore[no-untyped-call]
    # Softplus of minus or plus the logit, over the three cells that are known.
    expected = (math.log(2) + math.log1p(math.exp(2)) + math.log1p(math.exp(-1))) / 3

    assert loss.item() == pytest.approx(expected)
    assert logits.grad is not None
    assert logits.grad[1, 1] == 0
    assert (logits.grad != 0).sum() == 3


def test_a_batch_of_which_nothing_is_annotated_teaches_nothing() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    loss = loss_of(logits, batch_with(torch.full((2, 2), math.nan)), "multilabel", None)
    loss.backward()  # type: ignore[no-untyped-call]

    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_batch_of_sentences_without_words_teaches_nothing(make_model: Any, train: Any) -> None:
    # A mean over no tag is NaN: one empty sentence alone in a batch would end the run.
    empty = collate(tiny_texts("entities")[:1], [0], 0)
    empty.labels.fill_(IGNORED)
    model = make_model(HeadOnly(), "entities")
    fitted = train(
        model, HeadOnly(), "entities", stream=lambda epoch: iter([empty, tiny_batch("entities")]), weight_decay=0.0
    )

    assert fitted.steps == 6
    assert all(value.isfinite().all() for value in snapshot(model).values())


def test_class_weights_weigh_classes_and_positives() -> None:
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    weights = torch.tensor([1.0, 3.0])
    right, wrong = math.log1p(math.exp(-1)), math.log1p(math.exp(1))

    classes = loss_of(logits, batch_with(torch.tensor([0, 1])), "classification", weights)
    assert float(classes) == pytest.approx((1 * right + 3 * wrong) / 4)
    labels = loss_of(logits, batch_with(torch.tensor([[1.0, 1.0], [0.0, 0.0]])), "multilabel", weights)
    assert float(labels) == pytest.approx((right + 3 * math.log(2) + wrong + math.log(2)) / 4)


def test_time_in_the_judge_is_not_training_time(make_model: Any, train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from clinpeft.train import meter as meter_module

    ticks = itertools.count()
    monkeypatch.setattr(meter_module.time, "monotonic", lambda: float(next(ticks)))
    meter = meter_module.Meter(torch.device("cpu"))
    train(make_model(HeadOnly()), HeadOnly(), judge=lambda: float(next(ticks)), meter=meter)

    # One tick a step; in an epoch's judgement one of its own and one of the clock.
    assert meter.watch.train_seconds == 6
    assert meter.watch.evaluate_seconds == 6
