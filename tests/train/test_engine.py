"""The engine computes what plain modules compute: in parts, with fused adapters, and as transformers' Trainer does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import nn

from clinpeft.data.batch import collate
from clinpeft.methods.full import Full
from clinpeft.methods.lora import Lora
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind, TrainOptions
from clinpeft.testing.tiny import tiny_batch, tiny_texts
from clinpeft.train import loop
from clinpeft.train.engine import set_up
from clinpeft.train.fused import fuse_low_rank
from clinpeft.train.loss import loss_of
from clinpeft.train.precision import LossScaling
from clinpeft.train.state import Fitted

CPU = torch.device("cpu")


def gradients(model: ClinicalModel) -> dict[str, torch.Tensor]:
    model.zero_grad()
    batch = tiny_batch("classification")
    loss_of(model(batch), batch, "classification", None).backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def with_live_adapters(model: ClinicalModel) -> ClinicalModel:
    """B starts at zero, which would hide half of the layer."""
    torch.manual_seed(3)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(value, std=0.1)
    return model


def test_a_fused_adapter_is_the_adapter(make_model: Callable[..., ClinicalModel]) -> None:
    model = with_live_adapters(make_model(Lora(r=4))).eval()
    logits, before = model(tiny_batch("classification")), gradients(model)

    num_fused = fuse_low_rank(model)

    assert num_fused == 2 * model.card.num_layers
    torch.testing.assert_close(model(tiny_batch("classification")), logits, atol=1e-6, rtol=0)
    after = gradients(model)
    assert after.keys() == before.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=1e-4)


def test_a_fused_adapter_can_be_merged(make_model: Callable[..., ClinicalModel]) -> None:
    model = with_live_adapters(make_model(Lora(r=4))).eval()
    fuse_low_rank(model)
    logits = model(tiny_batch("classification"))

    merged = Lora(r=4).merge(model)

    assert merged is not None
    torch.testing.assert_close(merged(tiny_batch("classification")), logits, atol=1e-5, rtol=0)


def test_adapters_with_dropout_are_left_as_they_are(make_model: Callable[..., ClinicalModel]) -> None:
    assert fuse_low_rank(make_model(Lora(dropout=0.1))) == 0


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("class_weights", [None, torch.tensor([1.0, 5.0, 0.2])], ids=["equal", "weighted"])
def test_a_batch_in_parts_has_the_loss_and_gradient_of_the_whole(
    kind: Kind, class_weights: torch.Tensor | None, make_model: Callable[..., ClinicalModel]
) -> None:
    model, batch = make_model(Full(), kind), tiny_batch(kind)
    model.eval()
    options = TrainOptions(learning_rate=1e-3, precision="fp32")
    engine = set_up(model, options, CPU)
    scaled, results = LossScaling("fp32", CPU).scaled, []
    for pieces in (1000, 16):
        model.zero_grad()
        parted = replace(engine, pieces_at_once=pieces)
        training = loop.Training(model, Full(), lambda epoch: iter([batch]), 1, kind, options, 0, parted, class_weights)
        loss = loop._backward(model, training, batch, scaled)
        results.append((loss, [value.grad for value in model.parameters() if value.grad is not None]))

    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    torch.testing.assert_close(results[0][1], results[1][1], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "pairs", "entities"])
def test_windows_in_parts_have_the_loss_and_gradient_of_the_whole(
    kind: Kind, make_model: Callable[..., ClinicalModel]
) -> None:
    model, texts = make_model(Full(), kind).eval(), tiny_texts(kind)
    long = [replace(texts[0], further=(texts[1], texts[2])), replace(texts[3], further=(texts[4],)), *texts[5:]]
    batch = collate(long, range(len(long)), 0)
    options = TrainOptions(learning_rate=1e-3, precision="fp32")
    engine = set_up(model, options, CPU)
    scaled, results = LossScaling("fp32", CPU).scaled, []
    for pieces in (1000, 20):
        model.zero_grad()
        parted = replace(engine, pieces_at_once=pieces)
        training = loop.Training(model, Full(), lambda epoch: iter([batch]), 1, kind, options, 0, parted)
        loss = loop._backward(model, training, batch, scaled)
        results.append((loss, [value.grad for value in model.parameters() if value.grad is not None]))

    assert len(list(batch.parts(20))) == 5
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    torch.testing.assert_close(results[0][1], results[1][1], atol=1e-6, rtol=1e-4)


def test_the_engine_says_what_it_decided(make_model: Callable[..., ClinicalModel]) -> None:
    model = make_model(Lora())

    engine = set_up(model, TrainOptions(learning_rate=1e-3, precision="fp32"), CPU)

    assert engine.describe() == "attention clinpeft_cpu, 4 fused layers, 4096 pieces at once"
    assert [engine.micro_batch(longest, 32) for longest in (20, 512, 10_000)] == [32, 8, 1]


def test_losses_equal_those_of_trainer_step_by_step(
    make_model: Callable[..., ClinicalModel], train: Callable[..., Fitted], losses: list[float]
) -> None:
    texts, order = tiny_texts("classification"), [[0, 1, 2, 3], [4, 5, 6, 7]] * 3
    batches = [collate(texts, rows, 0) for rows in order]
    own, theirs = make_model(Lora()), make_model(Lora())
    own.head.dropout.p = theirs.head.dropout.p = 0.0
    train(own, Lora(), stream=lambda epoch: iter(batches[2 * epoch : 2 * epoch + 2]))

    assert losses == pytest.approx(losses_of_trainer(theirs, order), abs=1e-5)


def losses_of_trainer(model: ClinicalModel, order: list[list[int]]) -> list[float]:
    """transformers' Trainer with the same batches, learning rates, decay, clipping and schedule."""
    from transformers import Trainer, TrainingArguments

    texts, losses = tiny_texts("classification"), []

    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, batch: Any) -> dict[str, torch.Tensor]:
            loss = loss_of(self.model(batch), batch, "classification", None)
            losses.append(loss.item())
            return {"loss": loss}

    optimizer = torch.optim.AdamW(Lora().parameter_groups(model, 1e-3, 3e-3, 0.01))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: loop._schedule(step, 1, len(order)))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=len(order),
            per_device_train_batch_size=4,
            train_sampling_strategy="sequential",
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        rows = [{"row": row} for rows in order for row in rows]
        Trainer(
            WithLoss(),
            arguments,
            train_dataset=rows,
            data_collator=lambda items: {"batch": collate(texts, [item["row"] for item in items], 0)},
            optimizers=(optimizer, schedule),
        ).train()
    return losses
