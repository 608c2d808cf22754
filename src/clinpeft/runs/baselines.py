"""A baseline's run, from its spec to its record: fitted, judged and timed as other runs are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from clinpeft.data.dataset import TaskDataset
from clinpeft.data.select import Splits, examples_of
from clinpeft.metrics.base import Predictions
from clinpeft.models.catalogue import ResolvedModel
from clinpeft.record import Cost, Environment, RunRecord, Truncated
from clinpeft.runs.grid import as_frozen
from clinpeft.runs.scoring import TIMED_ALONE, in_float32, what_was_cut, write_and_score
from clinpeft.runs.setup import set_out
from clinpeft.spec import CostField, RunSpec
from clinpeft.train.baseline_encoder import EncoderBaseline
from clinpeft.train.baselines import Predict, fit_baseline
from clinpeft.train.flops import length_around, training_flops
from clinpeft.train.machine import describe_machine, use_threads
from clinpeft.train.meter import Meter, latency

if TYPE_CHECKING:
    from clinpeft.runs.execute import Job

EVERY = slice(None)


class Baseline(Protocol):
    """What a baseline's run asks of it; examples are named by their split and place."""

    splits: Splits
    meter: Meter

    def fit(self, some: slice = EVERY) -> None:
        """Fit on train, or some of it."""

    def judge(self, some: slice = EVERY) -> Predictions:
        """What is to be chosen on validation, or some of it, is chosen; the predictions for it."""

    def answer(self, split: str, some: slice = EVERY) -> Predictions:
        """The predictions for a split, or some of it."""

    def is_cut(self, split: str) -> list[bool]:
        """Of each example whether it was read to its end."""

    def truncated(self) -> dict[str, Truncated]:
        """The same in numbers, by split."""

    def costs(self) -> dict[CostField, Cost]:
        """Beside those that are metered."""

    def environment(self) -> Environment:
        """Where it ran."""


def baseline_record(job: Job, folder: Path) -> RunRecord:
    """Fit and measure a baseline, write its predictions to `folder`, and return its record, the files' hashes aside."""
    spec = job.planned.spec
    baseline: Baseline = (
        OfWords(spec, job.dataset) if job.model is None else OfEncoder(spec, job.dataset, job.model, job.pinned)
    )
    meter, splits = baseline.meter, baseline.splits
    with meter.watch.training():
        baseline.fit()
    with meter.watch.evaluating():
        validation = baseline.judge()
    test, speed = meter.throughput(lambda: baseline.answer("test"), len(splits["test"]))
    cost = {**meter.costs(), **baseline.costs()}
    alone = [slice(place, place + 1) for place in range(min(TIMED_ALONE, len(splits["validation"])))]
    cost |= latency([partial(baseline.answer, "validation", one) for one in alone])
    cost["examples_per_second"] = speed
    results = {
        name: (splits[name], predictions, baseline.is_cut(name))
        for name, predictions in (("validation", validation), ("test", test))
    }
    card = job.dataset.card
    record = write_and_score(folder, job.planned, card, job.metric, job.secret, results, baseline.truncated())
    return record.model_copy(update={"cost": cost, "environment": baseline.environment()})


class OfWords:
    """One that counts words, or none; it reads every text to its end."""

    def __init__(self, spec: RunSpec, dataset: TaskDataset) -> None:
        self.spec, self.card = spec, dataset.card
        self.splits = examples_of(dataset, spec.subset, spec.fold, spec.validated_on)
        use_threads(spec.train.threads)
        self.meter = Meter(torch.device("cpu"))
        self._predict: Predict | None = None

    def fit(self, some: slice = EVERY) -> None:
        """Its penalty is chosen on validation as it is fitted."""
        name, train = self.spec.method.name, self.splits["train"][some]
        self._predict = fit_baseline(name, train, self.splits["validation"][some], self.card)

    def judge(self, some: slice = EVERY) -> Predictions:
        """Nothing is left to choose."""
        return self.answer("validation", some)

    def answer(self, split: str, some: slice = EVERY) -> Predictions:
        """After `fit`."""
        assert self._predict is not None
        return in_float32(self._predict(self.splits[split][some]))

    def is_cut(self, split: str) -> list[bool]:
        """None is."""
        return [False] * len(self.splits[split])

    def truncated(self) -> dict[str, Truncated]:
        """Nothing is."""
        return {name: Truncated(examples=0, labels=0) for name in self.splits}

    def costs(self) -> dict[CostField, Cost]:
        """None."""
        return {}

    def environment(self) -> Environment:
        """Always on the processor, one example after the other."""
        return describe_machine(self.meter.device, "fp32", 1)


class OfEncoder:
    """One that reads with a model as it was pre-trained: set up as a run whose head alone would train."""

    def __init__(
        self, spec: RunSpec, dataset: TaskDataset, model: ResolvedModel, pinned: Mapping[str, Any] | None = None
    ) -> None:
        self.ready = set_out(as_frozen(spec), dataset, model, pinned=pinned)
        self.splits, self.encoded = self.ready.prepared.splits, self.ready.prepared.encoded
        self.meter, training = self.ready.meter, self.ready.training
        pad_id, precision = self.ready.prepared.encoder.pad_id, training.engine.precision
        self._baseline = EncoderBaseline(training.model, dataset.card, pad_id, precision)

    def fit(self, some: slice = EVERY) -> None:
        """On what the model makes of train."""
        is_tuned = len(self.splits["validation"]) > 0
        self._baseline.fit(self.splits["train"][some], self.encoded["train"][some], is_tuned=is_tuned)

    def judge(self, some: slice = EVERY) -> Predictions:
        """Its penalty is chosen as it is judged: validation is read once."""
        return in_float32(self._baseline.choose(self.splits["validation"][some], self.encoded["validation"][some]))

    def answer(self, split: str, some: slice = EVERY) -> Predictions:
        """After `judge`."""
        return in_float32(self._baseline(self.splits[split][some], self.encoded[split][some]))

    def is_cut(self, split: str) -> list[bool]:
        """As for any run of the model."""
        return [item.is_truncated for item in self.encoded[split]]

    def truncated(self) -> dict[str, Truncated]:
        """As for any run of the model."""
        return {name: what_was_cut(items) for name, items in self.encoded.items()}

    def costs(self) -> dict[CostField, Cost]:
        """Of one pass over train, the regression aside."""
        model, lengths = self.ready.training.model.requires_grad_(False), self.ready.lengths
        return {"flops": training_flops(model, sum(lengths), length_around(lengths), model.card, examples=len(lengths))}

    def environment(self) -> Environment:
        """That of the model."""
        engine = self.ready.training.engine
        return describe_machine(engine.device, engine.precision, self.ready.micro_batch, engine=engine.describe())
