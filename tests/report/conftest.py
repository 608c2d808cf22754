"""Study folders made from nothing but records and cards, for whoever tests the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from clinpeft.data.card import Card
from clinpeft.frozen import parse
from clinpeft.record import RunRecord, TestRecord
from clinpeft.report.render import plotly
from clinpeft.spec import BASELINES, Identity, RunSpec, run_id

TASK = "ward-notes"
DATASET = "d" * 64


class StudyFolder:
    """A study's folder under construction; every method writes files of the shared schemas."""

    def __init__(self, root: Path, **study: Any) -> None:
        self.root = root
        self.study: dict[str, Any] = {
            "name": "demo",
            "tasks": [{"name": TASK, "kind": "classification", "files": {"data": "notes.csv"}}],
            "models": ["small", "large"],
            "methods": ["full", "lora"],
            "seeds": [1, 2],
            **study,
        }
        root.mkdir(parents=True, exist_ok=True)
        self.write_study("study.yaml")

    def write_study(self, name: str, **changes: Any) -> None:
        """study.yaml, or an earlier version of it (YAML holds JSON)."""
        (self.root / name).write_text(json.dumps({**self.study, **changes}))

    def card(self, task: str = TASK, **changes: Any) -> Card:
        """The dataset card of a task."""
        plain = {
            "name": task,
            "version": 1,
            "kind": "classification",
            "labels": ["no", "yes"],
            "positive": "yes",
            "metric": "auroc",
            "mode": "correct",
            "options": {},
            "fingerprint": DATASET,
            "code": "c",
            "sources": [
                {"name": "tabular", "release": None, "files": [{"path": "n.csv", "bytes": 9, "sha256": "a" * 64}]}
            ],
            "terms": [],
            "split": {"method": "hash", "by": "subject", "shared_subjects": 0},
            "filters": [],
            "counts": {
                split: {"examples": n, "subjects": n, "documents": n, "labels": {"no": n - n // 4, "yes": n // 4}}
                for split, n in (("train", 4000), ("validation", 500), ("test", 1000))
            },
            "words": {split: {"p50": 120, "p95": 410, "max": 902} for split in ("train", "validation", "test")},
            "duplicates": {"exact": 3, "near": None, "dropped": 3},
            "anomalies": [],
            "expected": [],
            "contamination": [],
            "files": {},
            **changes,
        }
        return self._write(Card, plain, self.root / "cards" / f"{task}.json")

    def model(self, name: str, domain: str = "general", backbone_parameters: int | None = 22_000_000) -> None:
        """The catalogue row of a model."""
        row = {"name": name, "domain": domain, "backbone_parameters": backbone_parameters, "hub": None, "note": ""}
        path = self.root / "models" / f"{name.replace('/', '--')[:40]}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(row))

    def run(
        self,
        model: str = "small",
        method: str = "lora",
        seed: int = 1,
        value: float | None = 0.8,
        *,
        arm: float = 0.05,
        scores: Mapping[str, Any] | None = None,
        test: float | Sequence[float] | None = None,
        opened: int = 1,
        seconds: float | None = 100.0,
        cost: Mapping[str, Any] | None = None,
        task: str = TASK,
        kind: str = "classification",
        fold: int | None = None,
        options: Mapping[str, Any] | None = None,
        train: Mapping[str, Any] | None = None,
        validation: Mapping[str, Any] | None = None,
        dataset: str = DATASET,
        hardware: str = "cpu-a",
        trainable: int = 1_000,
        **changes: Any,
    ) -> RunRecord:
        """A run with one validation score `value` ± `arm`; `scores` replaces it, `test` adds test.json."""
        is_baseline = method in BASELINES
        spec = {
            "task": task,
            "kind": kind,
            "model": model,
            "method": {"name": method, "options": dict(options or {})},
            "train": {"learning_rate": 1e-3, **(train or {})},
            "seed": seed,
            "fold": fold,
            **({"validation": validation} if validation else {}),
        }
        weights = None if model == "none" else "e" * 64
        identity = Identity(dataset=dataset, weights_sha256=weights, code="1")
        run = run_id(parse(RunSpec, spec, "spec"), identity)
        succeeded = changes.get("status", "success") == "success"
        plain: dict[str, Any] = {
            "run": run,
            "role": "baseline" if is_baseline else "final",
            "status": "success",
            "spec": spec,
            "identity": identity.model_dump(),
            "parameters": {"adapter": 400, "head": 600, "trainable": trainable, "total": 22_001_000}
            if succeeded
            else None,
            "scores": dict(scores) if scores is not None else {"auroc": scored(value, arm)} if succeeded else {},
            "cost": {"train_seconds": {"value": seconds, "how": "measured"}, **(cost or {})} if succeeded else {},
            "environment": environment(hardware) if succeeded else None,
            **changes,
        }
        if is_baseline:
            plain["parameters"] = None
        record = self._write(RunRecord, plain, self.root / "runs" / run / "record.json")
        if test is not None:
            when = [{"when": f"2026-01-0{n + 1}T00:00:00Z", "by": "someone"} for n in range(opened)]
            tested = {"scores": {"auroc": scored(test, arm)}, "opened": when, "files": {}}
            self._write(TestRecord, tested, self.root / "runs" / run / "test.json")
        return record

    def failed(
        self, model: str, method: str, seed: int, status: str, code: str, message: str, **more: Any
    ) -> RunRecord:
        """A run that gave nothing."""
        return self.run(model, method, seed, status=status, reason={"code": code, "message": message}, **more)

    def predictions(self, record: RunRecord, columns: Mapping[str, Sequence[Any]]) -> None:
        """predictions-validation.parquet of a run."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.root / "runs" / record.run / "predictions-validation.parquet"
        pq.write_table(pa.table(dict(columns)), path, write_page_checksum=True)

    def _write(self, kind: Any, plain: dict[str, Any], path: Path) -> Any:
        value = parse(kind, plain, path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value.model_dump_json(by_alias=True))
        return value


def scored(value: Any, arm: float = 0.05) -> dict[str, Any]:
    """A Score with a symmetric interval; a None value has a reason instead."""
    if value is None:
        return {"value": None, "num_subjects": 90, "reason": "only one class present"}
    return {"value": value, "low": value - arm, "high": value + arm, "num_subjects": 90}


def environment(hardware: str) -> dict[str, Any]:
    """An Environment on some machine."""
    return {
        "hardware_id": hardware,
        "cpu": "Some CPU",
        "cores": 8,
        "threads": 4,
        "gpu": None,
        "precision_used": "fp32",
        "micro_batch": 32,
        "group_size": 1,
        "deterministic": True,
        "versions": {"clinpeft": "0.1.0", "torch": "2.13.0"},
    }


def figures(page: str) -> list[dict[str, Any]]:
    """The page's Plotly figures, in order."""
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page)]


def without_plotly(page: str) -> str:
    """The page without the text of Plotly, which must stand in it once."""
    assert page.count(plotly()) == 1
    return page.replace(plotly(), "")


@pytest.fixture
def new_study(tmp_path: Path) -> Callable[..., StudyFolder]:
    """Makes a folder with a study.yaml as the keywords say, and nothing else in it."""
    return lambda folder="study", **study: StudyFolder(tmp_path / folder, **study)


@pytest.fixture
def folder(new_study: Callable[..., StudyFolder]) -> StudyFolder:
    """A study with a card and no runs."""
    study = new_study()
    study.card()
    return study
