"""Setting a run up: its examples as the model reads them, the adapted model, and the engine that it trains with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clinpeft.data.batch import in_stretches, training_stream
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.tokenize import num_outputs
from clinpeft.methods.base import Context, method_of
from clinpeft.metrics.base import METRICS
from clinpeft.models.catalogue import ResolvedModel
from clinpeft.models.load import load
from clinpeft.runs.prepared import Prepared, prepare_examples
from clinpeft.runs.scoring import Predict, epoch_judge, predictor, selection_size
from clinpeft.spec import Judging, RunSpec
from clinpeft.train.engine import Place, set_up
from clinpeft.train.loop import Training
from clinpeft.train.machine import pick_device, use_threads
from clinpeft.train.meter import Meter, OnStep
from clinpeft.train.weights import class_weights


@dataclass(frozen=True)
class Ready:
    """A run that can begin."""

    training: Training
    prepared: Prepared = field(repr=False)
    predict: Predict = field(repr=False)
    meter: Meter = field(repr=False)

    @property
    def lengths(self) -> list[int]:
        """Word pieces of each window of each training text."""
        return [len(window.input_ids) for item in self.prepared.encoded["train"] for window in item.windows]

    @property
    def most_windows(self) -> int:
        """Of a training text."""
        return max(len(item.windows) for item in self.prepared.encoded["train"])

    @property
    def micro_batch(self) -> int:
        """Examples as long as the longest that pass at once."""
        training = self.training
        return training.engine.micro_batch(max(self.lengths) * self.most_windows, training.options.batch_size)

    def halved(self) -> dict[str, Any] | None:
        """What to pin of the engine so that half as many examples pass at once; None where it is one already."""
        if self.micro_batch < 2:
            return None
        longest = max(self.lengths) * self.most_windows
        return {**self.training.engine.pinned(), "pieces_at_once": self.micro_batch // 2 * longest}

    @property
    def between_judgements(self) -> Training:
        """The training in stretches after which it is judged: epochs, or as many steps as the study says."""
        training, judging = self.training, self.training.options.judge
        if judging is None or judging.every_steps is None:
            return training
        options = training.options
        batches = -(-len(self.prepared.encoded["train"]) // options.batch_size)
        stream, number = in_stretches(training.stream, batches, options.epochs, judging.every_steps)
        return replace(training, stream=stream, options=options.model_copy(update={"epochs": number}))

    def judged_by(self, metric: str) -> str:
        """The metric of the judgements; `metric` is the headline's."""
        judging = self.training.options.judge
        if judging is None or judging.metric is None:
            return metric
        return judging.metric if self.training.kind in METRICS.get(judging.metric).kinds else metric

    def judge(self, metric: str) -> Callable[[], float | None]:
        """What early stopping asks after an epoch; the meter keeps every answer."""
        judging = self.training.options.judge or Judging()
        examples, encoded = self.prepared.splits["validation"], self.prepared.encoded["validation"]
        number = selection_size(self.training.options, len(examples))
        ask = epoch_judge(self.judged_by(metric), self.predict, examples, encoded, number)

        def judge() -> float | None:
            score = ask()
            self.meter.judge(score)
            return score if judging.keep == "best" else None

        return judge


def set_out(
    spec: RunSpec,
    dataset: TaskDataset,
    resolved: ResolvedModel,
    *stepped: OnStep,
    pinned: Mapping[str, Any] | None = None,
    num_processes: int = 1,
    place: Place | None = None,
) -> Ready:
    """Everything that a run does before its first step; loading and tokenising are no training time.

    stepped: told after every step; pinned: what the engine said of itself with which the run was begun that goes on;
    num_processes: that the run is shared out over; place: puts the model onto the device, where it is.
    """
    card, options = dataset.card, spec.train
    device = pick_device()
    use_threads(options.threads, num_processes)
    method = method_of(spec.method)

    length = method.text_length(options.max_length, resolved.card)
    prepared = prepare_examples(dataset, resolved, length, options.long_text, spec.subset, spec.fold, spec.validated_on)
    encoder, train = prepared.encoder, prepared.encoded["train"]
    order_seed = spec.seed if options.order_seed is None else options.order_seed
    stream = training_stream(train, options.batch_size, encoder.pad_id, order_seed)

    meter = Meter(device, *stepped)
    meter.watch.limit_counts_evaluation = options.time_limit_counts == "everything"
    model = load(resolved, card.kind, num_outputs(card), spec.seed, device, options.long_text, options.dropout)
    num_steps = options.planned_steps(len(train))
    model = method.apply(model, resolved.card, Context(spec.seed, card.kind, num_steps, lambda: stream(0)))
    longest = max(len(window.input_ids) for item in train for window in item.windows)
    windows = max(len(item.windows) for item in train)
    engine = set_up(model, options, device, longest, windows, pinned, num_processes, place)
    weights = class_weights(prepared.splits["train"], card, options.class_weights)
    training = Training(
        model=model,
        method=method,
        stream=stream,
        num_steps=num_steps,
        kind=card.kind,
        options=options,
        seed=order_seed,
        engine=engine,
        class_weights=None if weights is None else weights.to(device),
    )
    return Ready(training, prepared, predictor(model, card, encoder, engine.precision), meter)
