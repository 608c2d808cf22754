"""Setting a run up: its examples as the model reads them, the adapted model, and the engine that it trains with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from clinpeft.data.card import Card
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.tokenize import num_outputs
from clinpeft.methods.base import Context, Method, method_of
from clinpeft.models.catalogue import ResolvedModel
from clinpeft.models.load import ClinicalModel, load
from clinpeft.runs.prepared import Prepared, prepare_examples
from clinpeft.runs.scoring import Predict, epoch_judge, predictor
from clinpeft.spec import RunSpec
from clinpeft.train.engine import Engine, set_up
from clinpeft.train.loop import Stream, planned_steps, training_stream
from clinpeft.train.machine import pick_device, use_threads
from clinpeft.train.meter import Meter, OnStep
from clinpeft.train.weights import class_weights


@dataclass(frozen=True)
class Ready:
    """A run that can begin."""

    spec: RunSpec
    card: Card
    method: Method
    prepared: Prepared = field(repr=False)
    stream: Stream = field(repr=False)
    num_steps: int
    """At most."""
    model: ClinicalModel = field(repr=False)
    engine: Engine
    predict: Predict = field(repr=False)
    class_weights: torch.Tensor | None = field(repr=False)
    meter: Meter = field(repr=False)

    @property
    def lengths(self) -> list[int]:
        """Word pieces of each window of each training text."""
        return [len(window.input_ids) for item in self.prepared.encoded["train"] for window in item.windows]

    @property
    def most_windows(self) -> int:
        """Of a training text."""
        return max(len(item.windows) for item in self.prepared.encoded["train"])

    def judge(self, metric: str) -> Callable[[], float | None]:
        """What early stopping asks after an epoch."""
        validation = self.prepared.splits["validation"], self.prepared.encoded["validation"]
        return epoch_judge(metric, self.predict, *validation)


def set_out(
    spec: RunSpec,
    dataset: TaskDataset,
    resolved: ResolvedModel,
    *stepped: OnStep,
    pinned: Mapping[str, Any] | None = None,
    num_processes: int = 1,
) -> Ready:
    """Everything that a run does before its first step; loading and tokenising are no training time.

    stepped: told after every step; pinned: what the engine said of itself with which the run was begun that goes on;
    num_processes: that the run is shared out over.
    """
    card, options = dataset.card, spec.train
    device = pick_device()
    use_threads(options.threads, num_processes)
    method = method_of(spec.method)

    length = method.text_length(options.max_length, resolved.card)
    prepared = prepare_examples(dataset, resolved, length, options.long_text, options.subset, spec.fold)
    encoder, train = prepared.encoder, prepared.encoded["train"]
    stream = training_stream(train, options.batch_size, encoder.pad_id, spec.seed)

    meter = Meter(device, *stepped)
    model = load(resolved, card.kind, num_outputs(card), spec.seed, device, options.long_text)
    num_steps = planned_steps(len(train), options)
    model = method.apply(model, resolved.card, Context(spec.seed, card.kind, num_steps, lambda: stream(0)))
    longest = max(len(window.input_ids) for item in train for window in item.windows)
    engine = set_up(model, options, device, longest, max(len(item.windows) for item in train), pinned, num_processes)
    return Ready(
        spec=spec,
        card=card,
        method=method,
        prepared=prepared,
        stream=stream,
        num_steps=num_steps,
        model=model,
        engine=engine,
        predict=predictor(model, card, encoder, engine.precision),
        class_weights=class_weights(prepared.splits["train"], card, options.class_weights),
        meter=meter,
    )
