"""One run, from its spec to its record. Read this page first."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from clinpeft.data.dataset import TaskDataset
from clinpeft.errors import EnvironmentStop
from clinpeft.files import require_free, sha256_file, stopping_when_disk_fails
from clinpeft.methods.base import Method
from clinpeft.models.catalogue import ResolvedModel
from clinpeft.models.load import ClinicalModel, count_parameters
from clinpeft.record import Cost, Environment, Parameters, Reason, RunRecord, Score, Status, Work
from clinpeft.runs.baselines import baseline_record
from clinpeft.runs.crew import Asked, Crew, MateLost, crew_for
from clinpeft.runs.curves import write_curve
from clinpeft.runs.grid import PlannedRun
from clinpeft.runs.halving import never
from clinpeft.runs.progress import Pulse
from clinpeft.runs.scoring import TIMED_ALONE, what_was_cut, write_and_score
from clinpeft.runs.setup import Ready, set_out
from clinpeft.train.checkpoint import Checkpoints
from clinpeft.train.flops import length_around, training_flops
from clinpeft.train.loop import Diverged, fit
from clinpeft.train.machine import describe_machine
from clinpeft.train.meter import folder_bytes, latency, peak_memory
from clinpeft.train.state import Fitted

TRIES = 3
"""Of a run whose memory runs out: whole parts of a batch, halves, quarters."""


@dataclass(frozen=True)
class Job:
    """A planned run and what it needs."""

    planned: PlannedRun
    dataset: TaskDataset
    model: ResolvedModel | None
    """None for a baseline that reads with none."""
    metric: str
    """The headline metric, which picks the best epoch."""
    secret: bytes
    keeps_weights: bool
    checkpoints: Checkpoints | None = None
    """Where the training is saved from time to time, and gone on from; None: nowhere."""
    is_behind: Callable[[Sequence[float | None]], bool] = never
    """Whether a run with these scores of its judgements is to be stopped."""
    pinned: Mapping[str, Any] | None = None
    """What of the engine is to be as it was in another run (Engine.pinned), where it is made again."""


def execute(job: Job, folder: Path) -> RunRecord:
    """Train and measure one run, write its files to `folder`, and return its record; a failure is a record too.

    Raises EnvironmentStop when the disk is full and lets an interrupt through: neither ends the run.
    """
    try:
        with stopping_when_disk_fails(folder):
            if job.planned.role == "baseline" or job.model is None:
                return baseline_record(job, folder).model_copy(update={"files": _hashes(folder)})
            return _train(job, job.model, folder)
    except EnvironmentStop:
        raise
    except Diverged as error:
        return _failed(job, folder, "diverged", Reason(code="diverged", message=str(error)))
    except torch.OutOfMemoryError:
        return _failed(job, folder, "out_of_memory", Reason(code="oom_device", message="device memory ran out"))
    except MateLost as error:
        status: Status = "out_of_memory" if error.lost.code == "oom_host" else "failed"
        return _failed(job, folder, status, Reason(code=error.lost.code, message=error.lost.message))
    except MemoryError:
        return _failed(job, folder, "out_of_memory", Reason(code="oom_host", message="the machine's memory ran out"))
    except Exception as error:
        return _failed(job, folder, "failed", Reason(code="bug", message=_place(error)))


def _train(job: Job, resolved: ResolvedModel, folder: Path) -> RunRecord:
    """Train; where memory runs out, again from the start with half as many examples at once, at most TRIES times."""
    pinned = job.pinned
    for number in range(TRIES):
        outcome = _try(job, resolved, folder, pinned, is_last=number == TRIES - 1)
        if isinstance(outcome, RunRecord):
            return outcome
        pinned = outcome
        _remove(folder, _files(folder))
        if job.checkpoints is not None:
            job.checkpoints.start_again("memory ran out", "half as many examples pass at once now, of the same batch")
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    raise AssertionError("the last try ends the run")


def _try(
    job: Job, resolved: ResolvedModel, folder: Path, pinned: Mapping[str, Any] | None, *, is_last: bool
) -> RunRecord | dict[str, Any]:
    """The record; or what to pin of the engine for one more try, with less memory."""
    saved = job.checkpoints.newest() if job.checkpoints else None
    pinned = saved["engine"] if saved else pinned
    ready = None
    try:
        with crew_for(Asked(job.planned.spec, job.dataset, resolved, pinned)) as crew:
            spec, place = job.planned.spec, crew.place
            told = Pulse(spec.describe())
            ready = set_out(spec, job.dataset, resolved, told, pinned=pinned, num_processes=crew.size, place=place)
            return _train_with(crew, ready, job, resolved, folder, saved)
    except (torch.OutOfMemoryError, MemoryError, MateLost) as error:
        is_memory = not isinstance(error, MateLost) or error.lost.code == "oom_host"
        halved = ready.halved() if ready and is_memory and not is_last else None
        if halved is None:
            raise
        # Returned, not raised: the error's frames hold the model.
        return halved


def _train_with(
    crew: Crew, ready: Ready, job: Job, resolved: ResolvedModel, folder: Path, saved: dict[str, Any] | None
) -> RunRecord:
    card = job.dataset.card
    training, model, meter, predict = ready.training, ready.training.model, ready.meter, ready.predict
    splits, encoded, lengths = ready.prepared.splits, ready.prepared.encoded, ready.lengths
    fitted = fit(
        ready.between_judgements,
        ready.judge(job.metric),
        meter,
        job.checkpoints,
        saved,
        crew.shares,
        lambda: job.is_behind([one.score for one in meter.judged]),
    )
    if fitted.is_pruned or not crew.is_sharded:
        crew.part(meter)
    if fitted.is_pruned:
        return _pruned(job, folder, ready, fitted)

    with meter.watch.evaluating():
        validation = predict(splits["validation"], encoded["validation"])
    test, speed = meter.throughput(lambda: predict(splits["test"], encoded["test"]), len(splits["test"]))
    one_by_one = zip(splits["validation"][:TIMED_ALONE], encoded["validation"], strict=False)
    costs = meter.costs()
    seconds_each = latency([partial(predict, [example], [item]) for example, item in one_by_one])
    if crew.is_sharded:  # Until here the others' parts of the weights were needed.
        crew.part(meter)
        costs = meter.costs()
    cost = {
        **costs,
        **seconds_each,
        "examples_per_second": speed,
        "flops": training_flops(
            model,
            fitted.tokens,
            length_around(lengths),
            resolved.card,
            examples=fitted.examples * len(lengths) // len(encoded["train"]),
            num_distinct=len(lengths),
        ),
        "adapter_bytes": _save(job, training.method, model, folder),
    }
    results = {
        name: (splits[name], predictions, [item.is_truncated for item in encoded[name]])
        for name, predictions in (("validation", validation), ("test", test))
    }
    truncated = {name: what_was_cut(items) for name, items in encoded.items()}
    record = write_and_score(folder, job.planned, card, job.metric, job.secret, results, truncated)
    write_curve(folder, ready.judged_by(job.metric), meter.judged)
    return record.model_copy(
        update={
            "parameters": Parameters(**vars(count_parameters(model))),
            "cost": cost,
            "work": Work(**fitted.work()),
            "environment": _environment(ready),
            "files": _hashes(folder),
        }
    )


def _pruned(job: Job, folder: Path, ready: Ready, fitted: Fitted) -> RunRecord:
    """Of a trial that was stopped early; it is not scored, so that nobody takes it for the best."""
    planned = job.planned
    write_curve(folder, ready.judged_by(job.metric), ready.meter.judged)
    return RunRecord(
        run=planned.run,
        role=planned.role,
        status="pruned",
        spec=planned.spec,
        identity=planned.identity,
        parameters=Parameters(**vars(count_parameters(ready.training.model))),
        scores={job.metric: Score(value=None, num_subjects=0, reason="stopped early by successive halving")},
        cost=ready.meter.costs(),
        work=Work(**fitted.work()),
        environment=_environment(ready),
        files=_hashes(folder),
    )


def _environment(ready: Ready) -> Environment:
    engine, micro_batch = ready.training.engine, ready.micro_batch
    return describe_machine(
        engine.device, engine.precision, micro_batch, engine=engine.describe(), processes=engine.num_processes
    )


def _save(job: Job, method: Method, model: ClinicalModel, folder: Path) -> Cost:
    """Write what was trained and return its size; it stays only where the study keeps weights."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    require_free(folder, sum(parameter.numel() * parameter.element_size() for parameter in trained))
    method.save(model, folder / "adapter")
    names = sorted(str(path.relative_to(folder)) for path in (folder / "adapter").iterdir())
    size = folder_bytes(folder, names)
    if not job.keeps_weights:
        _remove(folder, names)
    return size


def _failed(job: Job, folder: Path, status: Status, reason: Reason) -> RunRecord:
    """A record without results; files half made are removed."""
    _remove(folder, _files(folder))
    planned = job.planned
    return RunRecord(
        run=planned.run,
        role=planned.role,
        status=status,
        reason=reason,
        spec=planned.spec,
        identity=planned.identity,
        cost=peak_memory() if status == "out_of_memory" else {},
    )


def _place(error: Exception) -> str:
    """Which error, and where in the code; not its message, which may hold a note's text."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "clinpeft" in frame.filename] or list(frames)
    frame = own[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno} ({frame.name})"


def _hashes(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / name) for name in _files(folder)}


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).unlink()
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        path.rmdir()
