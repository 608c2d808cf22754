"""Two processes that share out every batch take the same steps as one."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.data.batch import collate, training_stream
from clinpeft.methods.base import Context, Method
from clinpeft.methods.full import Full
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind, TrainOptions
from clinpeft.testing.tiny import tiny_batch, tiny_model, tiny_texts
from clinpeft.train.engine import set_up
from clinpeft.train.loop import Training, fit, follow
from clinpeft.train.meter import Meter
from clinpeft.train.shares import Leading, join, leave

CPU = torch.device("cpu")
NUM_STEPS = 12
WEIGHTS = torch.tensor([1.0, 5.0, 0.2])
"""Of the classes: what a share counts for differs from its number of examples."""
OPTIONS = TrainOptions(
    epochs=4, batch_size=3, learning_rate=1e-3, precision="fp32", early_stopping_patience=None, threads=1
)
"""Eight texts in batches of 3, 3 and 2: the shares are of one and two, and of one and one."""
KINDS: list[Kind] = ["classification", "entities", "multilabel"]


def _model(method: Method, kind: Kind) -> ClinicalModel:
    """Without the head's dropout, whose masks every process draws for itself."""
    model = tiny_model("bert", kind, 3, head_seed=1)
    torch.manual_seed(1)
    model = method.apply(model, model.card, Context(1, kind, NUM_STEPS, lambda: iter(())))
    model.head.dropout.p = 0.0
    return model


def _training(model: ClinicalModel, method: Method, kind: Kind, size: int) -> Training:
    stream = training_stream(tiny_texts(kind), OPTIONS.batch_size, 0, 0)
    engine = set_up(model, OPTIONS, CPU, num_processes=size)
    return Training(model, method, stream, NUM_STEPS, kind, OPTIONS, 0, engine, WEIGHTS)


def _fit(model: ClinicalModel, method: Method, kind: Kind, size: int, **options: Any) -> None:
    fit(_training(model, method, kind, size), lambda: None, Meter(CPU), **options)


def _follow(meeting: str, cases: list[tuple[Method, Kind]], size: int) -> None:
    """In another process."""
    torch.set_num_threads(1)
    for number, (method, kind) in enumerate(cases):
        model = _model(method, kind)
        training = _training(model, method, kind, size)
        with torch.no_grad():
            for value in model.parameters():
                if value.requires_grad:
                    value.fill_(7.0)  # What trains is the leader's to say.
        join(Path(f"{meeting}-{number}"), 1, size)
        try:
            follow(training, 1, 2)
        finally:
            leave()


CASES: list[tuple[Method, Kind]] = [*((Lora(), kind) for kind in KINDS), (Full(), "entities"), (HeadOnly(), "pairs")]


def test_losses_and_weights_are_those_of_one_process(tmp_path: Path, losses: list[float]) -> None:
    """Step by step, within 1e-5, with class weights that differ from share to share."""
    other = multiprocessing.get_context("spawn").Process(
        target=_follow, args=(str(tmp_path / "meeting"), CASES, 2), daemon=True
    )
    other.start()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for number, (method, kind) in enumerate(CASES):
            alone, shared = _model(method, kind), _model(method, kind)
            _fit(alone, method, kind, 1)
            expected, losses[:] = list(losses), []
            join(tmp_path / f"meeting-{number}", 0, 2)
            lead = Leading(2, time.sleep)
            _fit(shared, method, kind, 2, shares=lead)
            end = lead.end()
            assert end is not None
            lead.wait(end)
            leave()

            assert len(expected) == NUM_STEPS
            assert losses == pytest.approx(expected, abs=1e-5), (method, kind)
            torch.testing.assert_close(
                dict(shared.named_parameters()), dict(alone.named_parameters()), atol=1e-4, rtol=0
            )
            losses.clear()
    finally:
        torch.set_num_threads(threads)
        leave()
        other.kill()
        other.join()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_shares_hold_every_example_once_and_the_leader_has_some(size: int) -> None:
    batch = tiny_batch("entities")
    shares = [batch.share(rank, size) for rank in range(size)]
    assert [index for share in shares if share for index in share.indices] == list(batch.indices)
    assert shares[0] is not None
    sizes = [len(share.indices) if share else 0 for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_share_is_cut_to_its_own_longest_and_keeps_windows_together() -> None:
    texts = tiny_texts("classification")
    long = replace(texts[0], further=(texts[1], texts[2]))
    batch = collate([long, *texts[3:6]], range(4), 0)
    first, second = batch.share(0, 2), batch.share(1, 2)
    assert first is not None
    assert second is not None
    assert (first.num_windows, second.num_windows) == ((3, 1), (1, 1))
    assert torch.equal(torch.cat([first.labels, second.labels]), batch.labels)
    for share in (first, second):
        longest = int(share.attention_mask.sum(1).max())
        assert share.input_ids.shape[1] - longest < 8
