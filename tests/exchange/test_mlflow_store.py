"""Results as MLflow runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import StudyFolder

from clinpeft import api
from clinpeft.errors import BadInput

HAS_MLFLOW = importlib.util.find_spec("mlflow") is not None
needs_mlflow = pytest.mark.skipif(not HAS_MLFLOW, reason="MLflow is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")
"""What MLflow warns of is not ours to mend."""


@pytest.fixture(autouse=True)
def _file_stores_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def runs_in(folder: Path, name: str = "demo") -> dict[str, Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.resolve().as_uri())
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return {run.data.tags["clinpeft.run"]: run for run in client.search_runs([experiment.experiment_id])}


@needs_mlflow
def test_every_run_is_one_of_mlflows_with_its_scores_and_costs(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path / "study")
    good = study.run("small", "lora", 1, 0.8, test=0.7, options={"r": 8}, seconds=12.0)
    bad = study.run("small", "full", 1, status="failed", reason={"code": "bug", "message": "m"})
    assert api.export_results(study.root, to="mlflow") == 2
    found = runs_in(study.root / "mlruns")
    run = found[good.run]
    assert run.info.status == "FINISHED" and found[bad.run].info.status == "FAILED"
    assert run.data.metrics == {"validation.auroc": 0.8, "test.auroc": 0.7, "cost.train_seconds": 12.0}
    wanted = {"task": "ward-notes", "model": "small", "method": "lora", "method.r": "8", "seed": "1"}
    assert {key: run.data.params[key] for key in wanted} == wanted


@needs_mlflow
def test_a_second_export_adds_what_is_new_and_the_test_that_was_opened_since(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path / "study")
    first = study.run("small", "lora", 1, 0.8)
    assert api.export_results(study.root, to="mlflow", out=tmp_path / "store") == 1
    study.run("small", "lora", 1, 0.8, test=0.7)
    study.run("small", "lora", 2, 0.9)
    assert api.export_results(study.root, to="mlflow", out=tmp_path / "store") == 1
    found = runs_in(tmp_path / "store")
    assert len(found) == 2
    assert found[first.run].data.metrics["test.auroc"] == 0.7


@pytest.mark.skipif(HAS_MLFLOW, reason="MLflow is installed")
def test_without_mlflow_its_extra_is_named(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path / "study")
    study.run()
    with pytest.raises(BadInput, match=r"clinpeft\[mlflow\]"):
        api.export_results(study.root, to="mlflow")
