"""Training a finished run again from the study's frozen copy, and saying how near it comes to what was recorded.

Nothing in the study's folder is changed. On a CPU like the one of the record, with as many threads, the weights and
predictions are the same to the last bit. Elsewhere sums are rounded in another order, and what is promised is that the
headline metric moves by no more than TOLERANCE.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clinpeft.data.dataset import TaskDataset, find_dataset
from clinpeft.errors import BadInput, GateRefused
from clinpeft.files import for_owner_only, sha256_file
from clinpeft.models.catalogue import ResolvedModel, resolve
from clinpeft.record import Environment, RunRecord
from clinpeft.runs.grid import TRAINING_CODE, PlannedRun
from clinpeft.runs.store import STUDY, Store
from clinpeft.spec import RunSpec, Study

TOLERANCE = 0.01
"""Of the headline metric."""
Verdict = Literal["bitwise", "within tolerance", "different"]


@dataclass(frozen=True)
class Reproduction:
    """What training again came to."""

    run: str
    what: str
    """Task, model, method and seed."""
    verdict: Verdict
    metric: str
    recorded: float | None
    again: float | None
    metric_difference: float
    """|Δ| of the headline metric on validation; infinite where only one of the two has a value."""
    score_difference: float
    """The largest |Δ| of a score that an example was given, over validation and test; of entities the share of words
    whose tag differs."""
    tolerance: float
    elsewhere: tuple[str, ...]
    """What the machine of the record had and this one has not, as `threads 4, here 2`."""

    def facts(self) -> dict[str, Any]:
        """For machines; an infinite difference is null."""
        return {
            **vars(self),
            "metric_difference": self.metric_difference if math.isfinite(self.metric_difference) else None,
            "elsewhere": list(self.elsewhere),
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.run}  {self.what}"
        yield f"{self.metric} {_told(self.recorded)}, again {_told(self.again)}: |Δ| {self.metric_difference:.3g}"
        yield f"largest |Δ| of a score {self.score_difference:.3g}"
        for line in self.elsewhere:
            yield f"another than in the record: {line}"
        yield f"{self.verdict}" + (f" ({self.tolerance:g})" if self.verdict == "within tolerance" else "")


def reproduce(
    folder: Path, run: str, *, data: Sequence[Path] = (), base: Path | None = None, tolerance: float = TOLERANCE
) -> Reproduction:
    """Train the run of a study's folder again, in a private temporary folder, and compare.

    run: its id, or as much of its start as tells it apart; data: folders in which its dataset and model may lie beside
    the study's own; base: the folder that the study's paths are relative to, by default the one that holds the study's.
    Raises BadInput where there is no such run, it did not succeed, or its data, its model or the training code are not
    those of the record; GateRefused when it does not come to its end again.
    """
    store = Store.open(folder)
    record = _record(store, run)
    bases = [base] if base else [folder.resolve().parent, Path.cwd()]
    dataset = _dataset(store, record, data, bases)
    model = None if record.spec.model == "none" else _model(store, record, data, bases)
    with for_owner_only(), tempfile.TemporaryDirectory(prefix="clinpeft-") as place:
        again = _train(record, dataset, model, store.secret(), Path(place))
        if again.status != "success":
            why = again.reason.message if again.reason else "for no reason that is known"
            raise GateRefused(f"run {record.run}: trained again it did not succeed ({again.status}: {why})")
        return _compare(record, store.run_folder(record.run), again, Path(place), tolerance)


def _record(store: Store, run: str) -> RunRecord:
    fitting = [name for name in store.runs() if name.startswith(run)]
    record = store.record(fitting[0]) if len(fitting) == 1 and run else None
    if record is None:
        rule = "fits several runs" if len(fitting) > 1 else "is no run of this study that has ended"
        raise BadInput(f"run '{run}'", rule, "`clinpeft status DIR` names them")
    if record.status != "success":
        raise BadInput(f"run {record.run}", f"has no result to compare with ({record.status})", "name another")
    if record.identity.code != TRAINING_CODE:
        raise BadInput(
            f"run {record.run}",
            f"was trained by version {record.identity.code} of the training code, and this is {TRAINING_CODE}",
            f"install clinpeft {record.environment.versions['clinpeft'] if record.environment else 'of then'}",
        )
    return record


def _dataset(store: Store, record: RunRecord, data: Sequence[Path], bases: Sequence[Path]) -> TaskDataset:
    """Raises BadInput when it is gone, or is not what the run was trained on."""
    name = record.spec.task
    named = [base / Path(path).expanduser() for study in _studies(store) for path in study.data for base in bases]
    found = [path for place in [store.folder / "datasets", *data, *named] if (path := find_dataset(name, [place]))]
    if not found:
        raise BadInput(f"task '{name}'", "its dataset was not found", "name the folder it lies in with --data")
    fitting = [TaskDataset.open(path) for path in found]
    fitting = [dataset for dataset in fitting if dataset.card.fingerprint == record.identity.dataset]
    if not fitting:
        raise BadInput(str(found[0]), f"is another dataset than run {record.run} was trained on", "name it with --data")
    try:
        fitting[0].verify()
    except GateRefused as error:
        raise BadInput(f"run {record.run}", "its data have changed", str(error)) from None
    return fitting[0]


def _model(store: Store, record: RunRecord, data: Sequence[Path], bases: Sequence[Path]) -> ResolvedModel:
    """Raises BadInput when its weights are gone, or are not those that the run began with."""
    name = record.spec.model
    problems = []
    for choice in [choice for study in _studies(store) for choice in study.models if choice.name == name]:
        for base in bases:
            try:
                model = resolve(choice, base, data=data)
            except BadInput as error:
                problems.append(error)
                continue
            if model.weights_sha256 == record.identity.weights_sha256:
                return model
            rule = f"its weights are not those that run {record.run} began with"
            # Of all that is wrong this tells most.
            problems.insert(0, BadInput(f"model '{name}'", rule, "put them back, or name their place with --base"))
    raise next(iter(problems), BadInput(f"model '{name}'", "no version of the study names it", "name another run"))


def _studies(store: Store) -> list[Study]:
    """The frozen copies, today's first."""
    return [Study.read(path) for path in [store.folder / STUDY, *sorted(store.folder.glob("study-*.yaml"))]]


def _train(
    record: RunRecord, dataset: TaskDataset, model: ResolvedModel | None, secret: bytes, place: Path
) -> RunRecord:
    from clinpeft.runs.execute import Job, execute

    planned = PlannedRun(record.run, record.role, _as_then(record), record.identity)
    job = Job(
        planned=planned,
        dataset=dataset,
        model=model,
        metric=next(iter(record.scores)),
        secret=secret,
        keeps_weights=any(name.startswith("adapter/") for name in record.files),
        pinned=_pinned(record.environment),
    )
    return execute(job, place)


def _as_then(record: RunRecord) -> RunSpec:
    """The spec, with as many threads as the run had; they are no part of its identity."""
    if record.environment is None:
        return record.spec
    train = record.spec.train.model_copy(update={"threads": record.environment.threads})
    return record.spec.model_copy(update={"train": train})


def _pinned(environment: Environment | None) -> dict[str, Any] | None:
    """Number format and size of a pass as the engine had them, where the record tells."""
    told = environment and re.search(r"(\d+) pieces at once", environment.versions.get("engine", ""))
    if environment is None or not told:
        return None
    return {"precision": environment.precision_used, "pieces_at_once": int(told[1])}


def _compare(record: RunRecord, before: Path, again: RunRecord, after: Path, tolerance: float) -> Reproduction:
    metric = next(iter(record.scores))
    values = record.scores[metric].value, again.scores[metric].value
    known = [value for value in values if value is not None]
    metric_difference = abs(known[0] - known[1]) if len(known) == 2 else math.inf if known else 0.0
    score_difference = max(_difference(before / name, after / name) for name in _predictions(record))
    weights = [name for name in record.files if name.endswith(".safetensors")]
    is_bitwise = score_difference == 0 and all(again.files.get(name) == record.files[name] for name in weights)
    within: Verdict = "within tolerance" if metric_difference <= tolerance else "different"
    return Reproduction(
        run=record.run,
        what=record.spec.describe(),
        verdict="bitwise" if is_bitwise and metric_difference == 0 else within,
        metric=metric,
        recorded=values[0],
        again=values[1],
        metric_difference=metric_difference,
        score_difference=score_difference,
        tolerance=tolerance,
        elsewhere=tuple(_elsewhere(record.environment, again.environment)),
    )


def _predictions(record: RunRecord) -> list[str]:
    return [name for name in record.files if name.startswith("predictions-")]


def _difference(before: Path, after: Path) -> float:
    """Between two prediction files of one dataset."""
    import numpy as np
    import pyarrow.parquet as pq

    if sha256_file(before) == sha256_file(after):
        return 0.0
    one, other = (pq.read_table(path, page_checksum_verification=True) for path in (before, after))
    if one.column("example") != other.column("example"):
        return math.inf
    names = [name for name in one.column_names if name.startswith("score_")]
    if names:
        columns = [(one.column(name).to_numpy(), other.column(name).to_numpy()) for name in names]
        return float(max(np.abs(first - second).max() for first, second in columns))
    tags = zip(one.column("predicted").to_pylist(), other.column("predicted").to_pylist(), strict=True)
    differ = [first != second for row in tags for first, second in zip(*row, strict=True)]
    return float(sum(differ)) / max(1, len(differ))


def _elsewhere(then: Environment | None, now: Environment | None) -> Iterator[str]:
    if then is None or now is None:
        return
    for name in ("cpu", "gpu", "threads", "precision_used", "micro_batch"):
        if (before := getattr(then, name)) != (here := getattr(now, name)):
            yield f"{name.replace('_', ' ')} {before}, here {here}"
    for name in then.versions.keys() & now.versions.keys():
        if then.versions[name] != now.versions[name]:
            yield f"{name} {then.versions[name]}, here {now.versions[name]}"


def _told(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
