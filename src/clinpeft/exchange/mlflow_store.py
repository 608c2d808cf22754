"""Results as MLflow runs, in a file store inside the study."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput
from clinpeft.record import RunRecord
from clinpeft.report.load import LoadedRun, LoadedStudy
from clinpeft.runs.curves import read_curve

FOLDER = "mlruns"
"""Of the store, in the study's folder."""
ALLOWED = "MLFLOW_ALLOW_FILE_STORE"
"""Without it, MLflow 3.17 refuses a store of files; so does `mlflow ui --backend-store-uri DIR/mlruns`."""
TAG = "clinpeft.run"
LONGEST = 500
"""Characters of a parameter."""


def export_to_mlflow(studies: Sequence[LoadedStudy], out: Path | None = None) -> int:
    """Write every run that MLflow's store lacks; how many those were. An experiment a study, a run a run.

    Scores are metrics `validation.<metric>` and `test.<metric>`, costs `cost.<field>`, a run's curve `judged` by step;
    nothing of a patient is among them. out: the store's folder; default `mlruns` in each study's folder.
    Raises BadInput when MLflow is not installed.
    """
    if find_spec("mlflow") is None:
        raise BadInput("--to mlflow", "needs MLflow, which is not installed", "pip install 'clinpeft[mlflow]'")
    return sum(_export(study, out or study.folder / FOLDER) for study in studies)


def _export(study: LoadedStudy, out: Path) -> int:
    with _files_allowed():
        from mlflow.tracking import MlflowClient

        out.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(tracking_uri=out.resolve().as_uri())
        name = study.study.name
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else client.create_experiment(name)
        present = {run.data.tags.get(TAG): run for run in _all_runs(client, experiment)}
        missing = [run for run in study.runs if run.record.run not in present]
        for run in missing:
            _write(client, experiment, run)
        for run in study.runs:
            if run.test is not None and run.record.run in present:
                _log_test(client, present[run.record.run].info.run_id, run)
        return len(missing)


def _write(client: Any, experiment: str, run: LoadedRun) -> None:
    record = run.record
    tags = {TAG: record.run, "clinpeft.role": record.role, "clinpeft.status": record.status}
    if record.environment:
        tags["clinpeft.hardware"] = record.environment.hardware_id
    made = client.create_run(experiment, run_name=record.spec.describe(), tags=tags, start_time=0).info.run_id
    for key, value in _params(record).items():
        client.log_param(made, key, str(value)[:LONGEST])
    for name, score in record.scores.items():
        if score.value is not None:
            client.log_metric(made, f"validation.{name}", score.value, timestamp=0)
    for field, cost in record.cost.items():
        if cost.value is not None:
            client.log_metric(made, f"cost.{field}", cost.value, timestamp=0)
    curve = read_curve(run.folder)
    for point in curve.points if curve else ():
        if point.score is not None:
            client.log_metric(made, "judged", point.score, timestamp=0, step=point.step)
    _log_test(client, made, run)
    client.set_terminated(made, "FAILED" if record.has_failed else "FINISHED", end_time=0)


def _log_test(client: Any, made: str, run: LoadedRun) -> None:
    """Its test scores, where its labels were opened since."""
    if run.test is None or any(name.startswith("test.") for name in client.get_run(made).data.metrics):
        return
    for name, score in run.test.scores.items():
        if score.value is not None:
            client.log_metric(made, f"test.{name}", score.value, timestamp=0)


def _params(record: RunRecord) -> dict[str, Any]:
    """What was asked for, flat."""
    spec = record.spec
    train = {f"train.{key}": value for key, value in spec.train.model_dump(mode="json").items() if value is not None}
    names = {"task": spec.task, "model": spec.model, "method": spec.method.name, "seed": spec.seed}
    fold = {} if spec.fold is None else {"fold": spec.fold}
    return {**names, **fold, **{f"method.{key}": value for key, value in spec.method.options.items()}, **train}


def _all_runs(client: Any, experiment: str) -> Iterator[Any]:
    page: str | None = None
    while True:
        found = client.search_runs([experiment], max_results=1000, page_token=page)
        yield from found
        page = found.token
        if not page:
            return


@contextmanager
def _files_allowed() -> Iterator[None]:
    """MLflow may keep files, which a study's folder is made of, and does not warn that it would rather not."""
    before = os.environ.get(ALLOWED)
    os.environ[ALLOWED] = "true"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.pop(ALLOWED)
        if before is not None:
            os.environ[ALLOWED] = before
