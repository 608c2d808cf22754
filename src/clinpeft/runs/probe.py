"""A few steps of a run, in a process of its own: what they take tells what the whole run will take.

The probe sets a run up as `execute` does and trains with the product's own loop on real batches, so that everything
that a run keeps in memory is there. What it cannot see in a few steps it reckons: the rest of the batches by their
size, and the kernels of the shapes that it did not meet.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from clinpeft.data.batch import Batch
from clinpeft.data.dataset import TaskDataset
from clinpeft.frozen import Frozen, parse
from clinpeft.models.catalogue import ModelCard, ResolvedModel
from clinpeft.runs.needs import Needs
from clinpeft.runs.probe_baseline import probe_baseline
from clinpeft.runs.probe_scoring import ScoringPlan, shape_of
from clinpeft.runs.setup import Ready, set_out
from clinpeft.spec import RunSpec
from clinpeft.train.loop import Diverged, fit
from clinpeft.train.meter import folder_bytes

NUM_SIZES = 8
"""Sizes of batches that are tried, evenly over those that there are."""
SECONDS = 90.0
"""Training time after which a probe makes do with the steps that it has."""
MOST_BATCHES = 2_000
"""Whose shapes are looked at, beside those of the first epoch."""
UNSEEN_SHARE = 0.5
"""Of what a shape took that was met, for one that was not: part of it was no kernel (see docs/benchmarks/plan.md)."""
MARGIN = 1.03
"""On memory: what the allocator loses to fragments in a run longer than the probe."""

Shapes = frozenset[tuple[int, int]]


class ProbeJob(Frozen):
    """A run to be probed, as it travels to the probe's process."""

    spec: RunSpec
    dataset: str
    card: ModelCard
    folder: str
    weights_sha256: str


def probe(job: dict[str, Any]) -> dict[str, Any]:
    """Probe the run of a ProbeJob (as plain data): `{"needs": …}`, or `{"ran_out": "host" | "device"}`, or nothing.

    To be called in a fresh process: its peak memory is then that of a run alone.
    """
    import torch

    try:
        return {"needs": _found(job).model_dump(mode="json")}
    except torch.OutOfMemoryError:
        return {"ran_out": "device"}
    except MemoryError:
        return {"ran_out": "host"}
    except Diverged:
        return {}


def _found(job: dict[str, Any]) -> Needs:
    asked = parse(ProbeJob, job, "a probe's job")
    start = time.monotonic()
    dataset = TaskDataset.open(Path(asked.dataset))
    model = ResolvedModel(asked.card, Path(asked.folder), asked.weights_sha256)
    if asked.spec.is_baseline:
        return probe_baseline(asked.spec, dataset, model)
    notes = _Notes()
    ready = set_out(asked.spec, dataset, model, notes.stepped)
    notes.ready = ready
    setup_seconds = time.monotonic() - start
    return _try_out(ready, notes, setup_seconds)


class _Notes:
    """What is seen after every step of a probe."""

    def __init__(self) -> None:
        self.ready: Ready | None = None
        self.seconds: list[float] = []
        """Of training, until then."""
        self.resident: list[int] = []
        """Bytes of the process."""
        self._process = psutil.Process()

    def stepped(self, step: int, num_steps: int, loss: float, tokens: int) -> None:
        """To be told by the meter."""
        assert self.ready is not None
        self.seconds.append(self.ready.meter.watch.train_seconds)
        self.resident.append(self._process.memory_info().rss)

    def each(self) -> list[float]:
        """Seconds of every step."""
        return [now - before for before, now in zip([0.0, *self.seconds], self.seconds, strict=False)]


@dataclass(frozen=True)
class _Size:
    """Of a training batch."""

    position: int
    pieces: int
    """Padding included, all parts together."""
    shapes: Shapes
    """Of its parts."""


def _try_out(ready: Ready, notes: _Notes, setup_seconds: float) -> Needs:
    sizes = sorted(_sizes(ready), key=lambda size: size.pieces)
    chosen = _sample(sizes)
    shapes = _shapes(ready, sizes)
    batches = _at(ready, [size.position for size in chosen])
    scored: dict[int, float] = {}
    plans = ScoringPlan(ready)
    passes = iter(range(2))

    def judge() -> float:
        number = next(passes)
        if number == 0:
            scored.update(plans.try_out())
        return float(number)

    options = ready.training.options.model_copy(
        update={"epochs": 2, "max_steps": None, "early_stopping_patience": None, "time_limit_seconds": SECONDS}
    )
    before = time.monotonic()
    training = replace(ready.training, stream=lambda epoch: iter(batches), num_steps=2 * len(batches), options=options)
    fit(training, judge, ready.meter)
    busy = time.monotonic() - before
    cost = ready.meter.costs()
    first, later = _epochs(sizes, chosen, notes.each(), len(shapes), is_frozen=_is_frozen(ready))
    host, joules = cost["peak_host_bytes"].value or 0.0, cost["energy_joules"].value
    with tempfile.TemporaryDirectory() as folder:
        ready.training.method.save(ready.training.model, Path(folder) / "adapter")
        adapter = folder_bytes(Path(folder), [f"adapter/{path.name}" for path in Path(folder, "adapter").iterdir()])
    return Needs(
        setup_seconds=setup_seconds,
        first_epoch_seconds=first,
        epoch_seconds=later,
        steps_an_epoch=len(sizes),
        epoch_evaluation_seconds=plans.epoch_seconds(scored),
        final_evaluation_seconds=plans.final_seconds(scored),
        peak_host_bytes=MARGIN * (host + _unseen_bytes(shapes, chosen, notes.resident) + plans.unseen_bytes()),
        peak_device_bytes=cost["peak_device_bytes"].value,
        watts=None if joules is None or busy <= 0 else joules / busy,
        adapter_bytes=adapter.value or 0.0,
        trained_parameters=sum(part.numel() for part in ready.training.model.parameters() if part.requires_grad),
    )


def _is_frozen(ready: Ready) -> bool:
    return not any(parameter.requires_grad for parameter in ready.training.model.backbone.parameters())


def _sizes(ready: Ready) -> Iterator[_Size]:
    """Of every batch of the first epoch; later ones are like it."""
    for position, batch in enumerate(ready.training.stream(0)):
        shapes = [shape_of(part) for part in batch.parts(ready.training.engine.pieces_at_once)]
        yield _Size(position, sum(rows * length for rows, length in shapes), frozenset(shapes))


def _shapes(ready: Ready, first: Sequence[_Size]) -> Shapes:
    """Of the parts of the batches of all epochs, as far as there are not too many to look at."""
    shapes, left = set(_all_shapes(first)), MOST_BATCHES
    for epoch in range(1, ready.training.options.epochs):
        left -= len(first)
        if left < 0:
            break
        for batch in ready.training.stream(epoch):
            shapes |= {shape_of(part) for part in batch.parts(ready.training.engine.pieces_at_once)}
    return frozenset(shapes)


def _all_shapes(sizes: Sequence[_Size]) -> Shapes:
    return frozenset(shape for size in sizes for shape in size.shapes)


def _sample(sizes: Sequence[_Size]) -> list[_Size]:
    """The largest batch first, then pairs of neighbours evenly over the rest: of two batches of one shape the second
    finds its kernels made. sizes: by pieces."""
    number = len(sizes)
    places = [number - 1]
    for share in range(NUM_SIZES):
        middle = int((share + 0.5) / NUM_SIZES * number)
        places += [middle, max(0, middle - 1)]
    return [sizes[place] for place in dict.fromkeys(places)]


def _at(ready: Ready, positions: Sequence[int]) -> list[Batch]:
    found = {position: batch for position, batch in enumerate(ready.training.stream(0)) if position in set(positions)}
    return [found[position] for position in positions]


def _epochs(
    sizes: Sequence[_Size], chosen: Sequence[_Size], seconds: Sequence[float], num_shapes: int, *, is_frozen: bool
) -> tuple[float, float]:
    """Seconds of training in the first epoch, and in a later one, from those of the chosen batches in two passes."""
    first, second = seconds[: len(chosen)], seconds[len(chosen) :]
    tried = chosen[: len(first)]
    is_new = _meet_new_shapes(tried)
    warm = [(size.pieces, taken) for size, taken, new in zip(tried, first, is_new, strict=True) if not new]
    again = [(size.pieces, taken) for size, taken in zip(chosen, second, strict=False)]
    every = [(size.pieces, taken) for size, taken in zip(tried, first, strict=True)]
    if not is_frozen and len(again) >= 2:
        warm = again
    steady = _by_size(warm if len(warm) >= 2 else every)
    cold = [taken - steady([size.pieces])[0] for size, taken, new in zip(tried, first, is_new, strict=True) if new]
    num_new = len(_all_shapes(tried))
    pieces = [size.pieces for size in sizes]
    once = max(0.0, sum(cold)) / max(1, num_new) * num_shapes
    later = _by_size(again)(pieces) if len(again) >= 2 else steady(pieces)
    return float(sum(steady(pieces))) + once, float(sum(later))


def _meet_new_shapes(tried: Sequence[_Size]) -> list[bool]:
    seen: set[tuple[int, int]] = set()
    is_new = []
    for size in tried:
        is_new.append(not size.shapes <= seen)
        seen |= size.shapes
    return is_new


def _by_size(points: Sequence[tuple[int, float]]) -> Callable[[Sequence[int]], list[float]]:
    """Seconds by word pieces: a straight line through the points, never below the quickest of them."""
    pieces, seconds = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    spread = ((pieces - pieces.mean()) ** 2).sum()
    slope = max(0.0, ((pieces - pieces.mean()) * (seconds - seconds.mean())).sum() / spread) if spread else 0.0
    least = float(seconds.min())
    return lambda wanted: [max(least, float(seconds.mean() + slope * (one - pieces.mean()))) for one in wanted]


def _unseen_bytes(shapes: Shapes, chosen: Sequence[_Size], resident: Sequence[int]) -> float:
    """What the kernels of the shapes will take that the probe did not meet: as much a shape as those that it did."""
    met = _all_shapes(chosen)
    after_first, missing = len(met - chosen[0].shapes), len(shapes - met)
    if not after_first or len(resident) < 2:
        return 0.0
    grown = max(0, resident[min(len(chosen), len(resident)) - 1] - resident[0])
    return UNSEEN_SHARE * grown / after_first * missing
