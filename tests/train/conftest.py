"""Training of tiny models, as a run does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from clinpeft.data.batch import Batch, training_stream
from clinpeft.methods.base import Context, Method
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind, TrainOptions
from clinpeft.testing.tiny import tiny_model, tiny_texts
from clinpeft.train import loop
from clinpeft.train.checkpoint import Checkpoints
from clinpeft.train.engine import set_up
from clinpeft.train.loop import Training, fit
from clinpeft.train.meter import Meter
from clinpeft.train.precision import Precision
from clinpeft.train.state import Fitted

CPU = torch.device("cpu")


@pytest.fixture
def make_model() -> Callable[..., ClinicalModel]:
    """A tiny BERT with three outputs, to which a method has been applied."""

    def make(method: Method, kind: Kind = "classification", *, seed: int = 1) -> ClinicalModel:
        model = tiny_model("bert", kind, 3, head_seed=seed)
        torch.manual_seed(seed)
        return method.apply(model, model.card, Context(seed, kind, 10, lambda: iter(())))

    return make


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Of every step of the loop, as they come."""
    noted: list[float] = []
    plain = loop._backward

    def backward(*arguments: Any) -> float:
        noted.append(plain(*arguments))
        return noted[-1]

    monkeypatch.setattr(loop, "_backward", backward)
    return noted


@pytest.fixture
def train() -> Callable[..., Fitted]:
    """The loop on the eight tiny examples, four in a batch: two steps an epoch."""

    def run(
        model: ClinicalModel,
        method: Method,
        kind: Kind = "classification",
        *,
        judge: Callable[[], float | None] = lambda: None,
        seed: int = 0,
        stream: Callable[[int], Iterator[Batch]] | None = None,
        precision: Precision = "fp32",
        class_weights: torch.Tensor | None = None,
        meter: Meter | None = None,
        checkpoints: Checkpoints | None = None,
        saved: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Fitted:
        defaults = {"epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "early_stopping_patience": None}
        options = TrainOptions(**{**defaults, "precision": precision, **settings})
        engine = set_up(model, options, CPU)
        stream = stream or training_stream(tiny_texts(kind), options.batch_size, 0, seed)
        num_steps = options.planned_steps(8)
        training = Training(model, method, stream, num_steps, kind, options, seed, engine, class_weights)
        return fit(training, judge, meter or Meter(CPU), checkpoints, saved)

    return run
