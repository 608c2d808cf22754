"""What a baseline's run will take: a share of it is carried out and multiplied, or it is reckoned from sizes alone."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil

from clinpeft.data.dataset import TaskDataset
from clinpeft.models.catalogue import ResolvedModel
from clinpeft.runs.baselines import Baseline, OfEncoder, OfWords
from clinpeft.runs.grid import as_frozen
from clinpeft.runs.needs import Needs
from clinpeft.runs.reckon import reckon, text_lengths
from clinpeft.spec import RunSpec
from clinpeft.tasks.base import Example

MOST_EXAMPLES = 1_000
"""That a baseline is tried out on, taken evenly from all."""
STATE_BYTES = 8
"""A number of the states that a regression is fitted on, and of what is made of it for that."""


def probe_baseline(spec: RunSpec, dataset: TaskDataset, model: ResolvedModel | None) -> Needs:
    """Tried out in this process; one that reads with a model wants a process of its own, whose peak is then its own."""
    start = time.monotonic()
    baseline: Baseline = OfWords(spec, dataset) if model is None else OfEncoder(spec, dataset, model)
    setup_seconds = time.monotonic() - start
    sizes = {name: len(examples) for name, examples in baseline.splits.items()}
    some = {name: slice(None, None, -(-size // MOST_EXAMPLES) or 1) for name, size in sizes.items()}

    before = time.monotonic()
    baseline.fit(some["train"])
    fitted = (time.monotonic() - before) * (some["train"].step or 1)
    before = time.monotonic()
    baseline.judge(some["validation"])
    judged = (time.monotonic() - before) * (some["validation"].step or 1)

    costs = baseline.meter.costs()
    joules, busy = costs["energy_joules"].value, time.monotonic() - start
    if model is None:
        host = float(psutil.Process().memory_info().rss)
    else:
        host = (costs["peak_host_bytes"].value or 0.0) + _state_bytes(spec, model, _num_rows(baseline.splits["train"]))
    return Needs(
        setup_seconds=0.0 if model is None else setup_seconds,
        first_epoch_seconds=fitted,
        epoch_seconds=0.0,
        steps_an_epoch=0,
        epoch_evaluation_seconds=0.0,
        final_evaluation_seconds=judged * (1 + sizes["test"] / max(1, sizes["validation"])),
        peak_host_bytes=host,
        peak_device_bytes=costs["peak_device_bytes"].value,
        watts=None if joules is None or busy <= 0 else joules / busy,
        adapter_bytes=0.0,
        trained_parameters=0,
    )


def reckon_baseline(spec: RunSpec, dataset: TaskDataset, model: ResolvedModel) -> Needs:
    """Of one that reads with a model: the first epoch of a run whose head alone trains, in which all is read once, and
    the states that are kept for the regression."""
    like = as_frozen(spec)
    lengths = text_lengths(like, dataset, model)
    needs = reckon(like, dataset, model, lengths)
    rows = sum(lengths["train"]) if spec.kind == "entities" else len(lengths["train"])
    return needs.model_copy(
        update={
            "epoch_seconds": 0.0,
            "steps_an_epoch": 0,
            "epoch_evaluation_seconds": 0.0,
            "peak_host_bytes": needs.peak_host_bytes + _state_bytes(spec, model, rows),
            "adapter_bytes": 0.0,
            "trained_parameters": 0,
        }
    )


def _num_rows(train: Sequence[Example]) -> int:
    return sum(len(example.tokens) or 1 for example in train)


def _state_bytes(spec: RunSpec, model: ResolvedModel, rows: int) -> float:
    width = model.card.hidden_size * (2 if spec.kind == "relations" else 1)
    return float(STATE_BYTES * rows * width)
