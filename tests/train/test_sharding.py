"""Frozen weights in the shards of two processes: the same steps and scores as in one, with half of the weights each."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed.tensor import DTensor

from clinpeft.data.batch import training_stream
from clinpeft.methods.base import Context, Method
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.methods.lora_8bit import Lora8bit
from clinpeft.methods.prompt_tuning import PromptTuning
from clinpeft.models.families.base import FAMILIES
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind, TrainOptions
from clinpeft.testing.tiny import tiny_model, tiny_texts
from clinpeft.train import engine
from clinpeft.train.engine import set_up
from clinpeft.train.evaluate import predict_scores, predict_tags
from clinpeft.train.loop import Training, fit, follow
from clinpeft.train.memory import Plan
from clinpeft.train.meter import Meter
from clinpeft.train.sharding import are_equal, gathered_bytes, shard_frozen, tell_of_passes
from clinpeft.train.shares import ALONE, Leading, Shares, join, leave
from clinpeft.train.state import digest_of_frozen

CPU = torch.device("cpu")
SHORT = Plan(16, recomputes=True)
"""Of a process with little memory: one example at a time."""
NUM_STEPS = 6
MOST_SECONDS = 240.0
"""Of waiting, after which a test that would never end does."""
WEIGHTS = torch.tensor([1.0, 5.0, 0.2])


@dataclass(frozen=True)
class Case:
    """What is trained."""

    family: str
    method: Method
    kind: Kind
    batch_size: int = 3
    plan: Plan | None = None
    """Of the second process, if it is not the first one's; it becomes both's."""
    most: float = 0.51
    """Of the frozen weights that one process holds: position tables, and T5's shared embeddings, stay whole."""


FEW = [
    Case("llama", Lora(), "classification"),  # First here: its layers are counted.
    # One example a batch: the second process has nothing of its own, and goes along with every pass.
    Case("bert", Lora(), "entities", batch_size=1, most=0.75),
    # Two parts for the first process, one for the second.
    Case("llama", Lora(), "multilabel", plan=SHORT),
]
MORE = [
    Case("llama", Lora(), "classification"),
    Case("bert", HeadOnly(), "pairs", most=0.75),
    Case("llama", Lora8bit(), "classification"),
    Case("llama", PromptTuning(), "classification"),
    Case("albert", Lora(), "relations", most=0.75),
    *(Case(family, Lora(), "classification", most=0.76) for family in FAMILIES.names()),
]


def _training(case: Case, size: int, place: Any = None) -> Training:
    model = tiny_model(case.family, case.kind, 3, head_seed=1)
    torch.manual_seed(1)
    model = case.method.apply(model, model.card, Context(1, case.kind, NUM_STEPS, lambda: iter(())))
    model.head.dropout.p = 0.0
    options = TrainOptions(
        epochs=9, batch_size=case.batch_size, learning_rate=1e-3, precision="fp32", early_stopping_patience=None
    )
    prepared = set_up(model, options, CPU, num_processes=size, place=place)
    stream = training_stream(tiny_texts(case.kind), case.batch_size, 0, 0)
    weights = None if case.kind == "multilabel" else WEIGHTS
    return Training(model, case.method, stream, NUM_STEPS, case.kind, options, 0, prepared, weights)


def _scores(training: Training) -> np.ndarray:
    texts = tiny_texts(training.kind)
    if training.kind == "entities":
        return np.array([tag for tags in predict_tags(training.model, texts, "OBI", 0, "fp32") for tag in tags])
    return predict_scores(training.model, texts, training.kind, 0, "fp32")


def _fit(training: Training, shares: Shares = ALONE) -> np.ndarray:
    """The scores after every epoch and at the end, one below the other."""
    found: list[np.ndarray] = []
    fit(training, lambda: found.append(_scores(training)), Meter(CPU), shares=shares)
    return np.stack([*found, _scores(training)])


def _shard(model: ClinicalModel, device: torch.device) -> None:
    shard_frozen(model, device, digest_of_frozen(model))


def _follow(meeting: str, cases: list[Case]) -> None:
    """In another process."""
    torch.set_num_threads(1)
    plan_memory = engine.plan_memory
    for number, case in enumerate(cases):
        join(Path(f"{meeting}-{number}"), 1, 2)
        try:
            engine.plan_memory = lambda *sizes, plan=case.plan, **more: plan or plan_memory(*sizes, **more)
            follow(_training(case, 2, _shard), 1, 2)
            are_equal("00" if number else "01")
        finally:
            leave()


@contextmanager
def _beside(meeting: Path, cases: list[Case]) -> Iterator[Callable[[float], None]]:
    """Another process, which goes through the cases, too; gives what to ask while it is waited for."""
    process = multiprocessing.get_context("spawn").Process(target=_follow, args=(str(meeting), cases), daemon=True)
    process.start()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    waited = [0.0]

    def listen(seconds: float) -> None:
        time.sleep(seconds)
        waited[0] += seconds
        assert process.is_alive()
        assert waited[0] < MOST_SECONDS, "the two wait for each other"

    try:
        yield listen
    finally:
        torch.set_num_threads(threads)
        leave()
        process.kill()
        process.join()


def _frozen_bytes(model: ClinicalModel) -> int:
    """That lie in this process; of weights in shards, its part."""
    frozen = [tensor for tensor in model.parameters() if not tensor.requires_grad]
    local = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in frozen]
    return sum({tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in local}.values())


def _check(case: Case, meeting: Path, listen: Callable[[float], None], losses: list[float], *, is_first: bool) -> None:
    alone = _training(case, 1)
    whole = _frozen_bytes(alone.model)
    expected_scores = _fit(alone)
    expected, losses[:] = list(losses), []
    join(meeting, 0, 2)
    lead = Leading(2, listen, is_in_step=True)
    shared = _training(case, 2, lambda model, device: shard_frozen(model, device, "00", lead.wait))
    tell_of_passes(shared.model, lead.call_along)
    if is_first:  # A run that goes on from the end of an epoch scores before it trains.
        lead.begin([value for value in shared.model.parameters() if value.requires_grad])
        _scores(shared)
    scores = _fit(shared, lead)
    held = _frozen_bytes(shared.model)
    end = lead.end()
    assert end is not None
    lead.wait(end)
    is_equal = are_equal("00")
    leave()

    assert len(expected) == NUM_STEPS
    assert losses == pytest.approx(expected, abs=1e-5)
    losses.clear()
    if case.kind == "entities":
        assert (scores == expected_scores).all()
    else:
        np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    trained = {name: value for name, value in alone.model.named_parameters() if value.requires_grad}
    for name, value in shared.model.named_parameters():
        if value.requires_grad:
            torch.testing.assert_close(value, trained.pop(name), atol=1e-3, rtol=0)
    assert not trained
    assert held <= case.most * whole
    assert shared.engine.describe().endswith("2 processes, frozen weights in shards")
    plan = case.plan or Plan(alone.engine.pieces_at_once, recomputes=False)
    assert (shared.engine.pieces_at_once, shared.engine.recomputes) == (plan.pieces_at_once, plan.recomputes)
    if is_first:
        # A layer of the tiny Llama: query and output 32 x 32, key and value 16 x 32, three of 64 x 32, two norms of 32.
        assert gathered_bytes(shared.model) == 3 * 4 * (2 * 1024 + 2 * 512 + 3 * 2048 + 2 * 32)
        assert gathered_bytes(alone.model) == 0
    assert is_equal is not is_first, "the first time the other process says another digest"


@pytest.mark.parametrize("cases", [FEW, pytest.param(MORE, marks=pytest.mark.slow)], ids=["few", "more"])
def test_losses_weights_and_scores_are_those_of_one_process_with_half_of_the_weights(
    cases: list[Case], tmp_path: Path, losses: list[float]
) -> None:
    meeting = tmp_path / "meeting"
    with _beside(meeting, cases) as listen:
        for number, case in enumerate(cases):
            try:
                _check(case, Path(f"{meeting}-{number}"), listen, losses, is_first=number == 0)
            except Exception as error:
                error.add_note(str(case))
                raise
