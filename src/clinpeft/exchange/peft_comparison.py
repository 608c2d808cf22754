"""The result files of peft's `method_comparison`: one JSON a run, with `run_info`, `train_info` and `meta_info`.

What is written reads in its `processing.py`; what clinpeft knows beside is under a key of its own, `clinpeft`, from
which a file of ours comes back whole. A foreign file comes in as a run that was judged by accuracy, without intervals.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput
from clinpeft.files import write_atomic
from clinpeft.frozen import fingerprint, parse
from clinpeft.record import Cost, Opened, Parameters, Reason, RunRecord, Score, TestRecord, Work
from clinpeft.report.load import LoadedRun, LoadedStudy
from clinpeft.report.tables import file_name
from clinpeft.runs.curves import read_curve
from clinpeft.runs.store import Store
from clinpeft.spec import Identity, MethodSpec, RunSpec, Scalar, Study, TrainOptions, run_id

OURS = "clinpeft"
PACKAGES = ("transformers", "peft", "datasets", "bitsandbytes", "torch")
"""Whose versions peft's page shows."""
NO_TIME = "1970-01-01T00:00:00+00:00"
"""Where the journal does not say when a run ended."""
NEITHER = {"peft_type", "peft_version", "task_type", "base_model_name_or_path", "revision", "inference_mode"}
"""Of an adapter's configuration: no options of a method."""
RENAMED = {"lora_alpha": "alpha", "lora_dropout": "dropout"}


def write_peft_results(studies: Sequence[LoadedStudy], out: Path) -> list[Path]:
    """One file for each run of a model (trials and baselines left out) into folder `out`; the paths written.

    `test accuracy` is the run's accuracy on test where its labels were opened, else null; memory is 0 without a GPU,
    and where peft averages what was reserved, which is not measured.
    """
    taken: set[str] = set()
    paths = []
    for study in studies:
        ended = _times(study)
        for run in study.runs:
            if run.record.role != "final":
                continue
            content = as_peft_result(run, study, ended.get(run.record.run, NO_TIME))
            name = content["run_info"]["experiment_name"].replace("/", "--")
            paths.append(out / f"{file_name(name, taken)}.json")
            write_atomic(paths[-1], json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return paths


def as_peft_result(run: LoadedRun, study: LoadedStudy, created_at: str = NO_TIME) -> dict[str, Any]:
    """A run as peft's comparison would have written it."""
    record, facts = run.record, study.models.get(run.record.spec.model)
    spec, environment = record.spec, record.environment
    test = run.test.scores if run.test else {}
    values = {name: (record.cost[name].value if name in record.cost else None) for name in record.cost}
    seconds = [values.get("train_seconds") or 0.0, values.get("evaluate_seconds") or 0.0]
    versions = environment.versions if environment else {}
    return {
        "run_info": {
            "created_at": created_at,
            "total_time": sum(seconds),
            "experiment_name": f"{spec.method.name}/{spec.model}-{spec.task}-{record.run}",
            "peft_branch": "main",
            "train_config": _train_config(spec, facts.hub if facts and facts.hub else spec.model, record),
            "peft_config": _adapter_config(run, facts.hub if facts and facts.hub else spec.model),
            "error_msg": record.reason.message if record.reason else "",
        },
        "train_info": {
            "accelerator_memory_reserved_avg": 0,
            "accelerator_memory_max": int(values.get("peak_device_bytes") or 0),
            "accelerator_memory_reserved_99th": 0,
            "train_time": seconds[0],
            "file_size": int(values.get("adapter_bytes") or 0),
            "num_trainable_params": record.parameters.trainable if record.parameters else 0,
            "num_total_params": record.parameters.total if record.parameters else 0,
            "status": "success" if record.status == "success" else "failed",
            "metrics": _metrics(run, test.get("accuracy")),
        },
        "meta_info": {
            "model_info": {"sha": record.identity.weights_sha256, "created_at": None},
            "dataset_info": {spec.task: {"sha": record.identity.dataset, "created_at": None}},
            "package_info": {f"{name}-version": versions.get(name) for name in PACKAGES},
            "system_info": {
                "system": platform.system(),
                "processor": environment.cpu if environment else None,
                "accelerator": environment.gpu if environment else None,
            },
        },
        OURS: {
            "record": record.model_dump(mode="json", by_alias=True),
            "test": run.test.model_dump(mode="json", by_alias=True) if run.test else None,
        },
    }


def import_peft_results(files: Sequence[Path], out: Path, task: str = "MetaMathQA") -> int:
    """Make a study's folder at `out` of result files (or of folders of them), for `clinpeft report`; how many runs.

    task: what foreign files are results of, which they do not say. Raises BadInput for a file of another form, for
    one without a test accuracy, and where `out` is not empty.
    """
    paths = [path for given in files for path in (sorted(given.glob("*.json")) if given.is_dir() else [given])]
    if not paths:
        raise BadInput("import-results", "found no result file", "name files, or folders that hold *.json")
    if out.exists() and any(out.iterdir()):
        raise BadInput(f"--out {out}", "is not empty", "choose a new folder")
    found = [_read(path, task) for path in paths]
    records = {record.run: (record, test) for record, test in found}
    if len(records) < len(found):
        raise BadInput("import-results", "two of the files hold the same run", "leave one out")
    for record, test in records.values():
        folder = out / "runs" / record.run
        write_atomic(folder / "record.json", record.model_dump_json(by_alias=True, indent=1) + "\n")
        if test is not None:
            write_atomic(folder / "test.json", test.model_dump_json(by_alias=True, indent=1) + "\n")
    study = _study([record for record, _ in found], out.name)
    write_atomic(out / "study.yaml", study.model_dump_json(by_alias=True, indent=1) + "\n")
    return len(found)


def _times(study: LoadedStudy) -> dict[str, str]:
    """When each run ended."""
    if not (study.folder / "journal.jsonl").is_file():
        return {}
    events = Store.open(study.folder).journal.events()
    return {event.run: event.time for event in events if event.run and event.event in {"finished", "failed"}}


def _train_config(spec: RunSpec, model: str, record: RunRecord) -> dict[str, Any]:
    train = spec.train
    used = record.environment.precision_used if record.environment else None
    return {
        "model_id": model,
        "dtype": used and {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}[used],
        "max_seq_length": train.max_length,
        "batch_size": train.batch_size,
        "max_steps": record.work.steps if record.work else None,
        "eval_steps": train.judge.every_steps if train.judge else None,
        "seed": spec.seed,
        "grad_norm_clip": 1.0,
        "optimizer_type": "AdamW",
        "optimizer_kwargs": {"lr": train.learning_rate, "weight_decay": train.weight_decay},
        "lr_scheduler": train.schedule,
    }


def _adapter_config(run: LoadedRun, model: str) -> dict[str, Any] | None:
    """peft's own where the adapter is kept; else the method's name and options; None where everything trains."""
    method = run.record.spec.method
    if method.name == "full":
        return None
    path = run.folder / "adapter" / "adapter_config.json"
    if path.is_file():
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return config
    plain = {"peft_type": method.name.upper().replace("-", "_"), "base_model_name_or_path": model}
    return plain | method.options


def _metrics(run: LoadedRun, accuracy: Score | None) -> list[dict[str, Any]]:
    """One entry a judgement, and a last one with the test."""
    curve, work = read_curve(run.folder), run.record.work
    entries: list[dict[str, Any]] = []
    if curve is not None:
        name = f"valid {curve.metric}"
        entries = [
            {"step": point.step, name: point.score, "elapsed time": point.train_seconds + point.evaluate_seconds}
            for point in curve.points
        ]
    last = {
        "step": work.steps if work else 0,
        "test accuracy": accuracy.value if accuracy else None,
        "train loss": None,
        "train samples": work.examples if work else 0,
        "train total tokens": work.tokens if work else 0,
    }
    return [*entries, last]


def _read(path: Path, task: str) -> tuple[RunRecord, TestRecord | None]:
    try:
        content = json.loads(path.read_bytes())
        parts = content["run_info"], content["train_info"], content["meta_info"]
    except (ValueError, KeyError, TypeError):
        raise BadInput(str(path), "is no result of peft's method comparison") from None
    if isinstance(ours := content.get(OURS), dict):
        test = parse(TestRecord, ours["test"], str(path)) if ours.get("test") else None
        return parse(RunRecord, ours.get("record"), str(path)), test
    try:
        return _foreign(*parts, task)
    except (KeyError, IndexError, TypeError, ValueError):
        raise BadInput(str(path), "lacks what a result of peft's method comparison holds") from None


def _foreign(
    run_info: Mapping[str, Any], train_info: Mapping[str, Any], meta_info: Mapping[str, Any], task: str
) -> tuple[RunRecord, TestRecord | None]:
    """A run of theirs. The names of memory fields have changed over time; both are read."""
    config, metrics = run_info["train_config"], train_info["metrics"]
    adapter = run_info["peft_config"]
    method = MethodSpec(name=_method_name(adapter), options=_options(adapter))
    spec = RunSpec(
        task=task,
        kind="classification",
        model=config["model_id"],
        method=method,
        train=TrainOptions(
            learning_rate=float(config["optimizer_kwargs"]["lr"]),
            weight_decay=float(config["optimizer_kwargs"].get("weight_decay", 0.0)),
            batch_size=config["batch_size"],
            max_length=config["max_seq_length"],
            max_steps=config["max_steps"],
        ),
        seed=config["seed"],
    )
    identity = Identity(
        dataset=fingerprint(meta_info["dataset_info"]),
        weights_sha256=fingerprint([config["model_id"], meta_info["model_info"]]),
        code=f"peft {meta_info['package_info'].get('peft-version')} {run_info['experiment_name']}",
    )
    memory = train_info.get("accelerator_memory_max", train_info.get("cuda_memory_max"))
    is_success = train_info["status"] == "success"
    record = RunRecord(
        run=run_id(spec, identity),
        role="final",
        status="success" if is_success else "failed",
        reason=None if is_success else Reason(code="bug", message=f"peft's status is '{train_info['status']}'"),
        spec=spec,
        identity=identity,
        parameters=_parameters(train_info),
        scores={"accuracy": _best(metrics)} if is_success else {},
        cost={
            "train_seconds": Cost(value=float(train_info["train_time"]), how="measured"),
            "peak_device_bytes": Cost(value=memory and float(memory), how="measured" if memory else "unavailable"),
            "adapter_bytes": Cost(value=float(train_info["file_size"]), how="measured"),
        },
        work=Work(
            steps=metrics[-1]["step"],
            examples=metrics[-1].get("train samples") or 0,
            tokens=metrics[-1].get("train total tokens") or 0,
            best_step=metrics[-1]["step"],
        )
        if metrics
        else None,
    )
    if not is_success:
        return record, None
    accuracy = Score(value=float(metrics[-1]["test accuracy"]), num_subjects=0)
    opened = (Opened(when=run_info["created_at"], by="peft method comparison"),)
    return record, TestRecord(scores={"accuracy": accuracy}, opened=opened, files={})


def _method_name(adapter: Mapping[str, Any] | None) -> str:
    if not adapter:
        return "full"
    name = str(adapter["peft_type"]).lower().replace("_", "-")
    if name == "lora" and adapter.get("use_dora"):
        return "dora"
    return "rslora" if name == "lora" and adapter.get("use_rslora") else name


def _options(adapter: Mapping[str, Any] | None) -> dict[str, Scalar]:
    """Plain values only; what is null or a list in their configuration is left out."""
    plain = {key: value for key, value in (adapter or {}).items() if key not in NEITHER}
    return {RENAMED.get(key, key): value for key, value in plain.items() if isinstance(value, bool | int | float | str)}


def _parameters(train_info: Mapping[str, Any]) -> Parameters | None:
    trainable, total = train_info.get("num_trainable_params"), train_info.get("num_total_params")
    if trainable is None or total is None:
        return None
    return Parameters(adapter=trainable, head=0, trainable=trainable, total=total)


def _best(metrics: Sequence[Mapping[str, Any]]) -> Score:
    """The last validation accuracy: their runs keep the last weights."""
    values = [entry["valid accuracy"] for entry in metrics if entry.get("valid accuracy") is not None]
    if not values:
        return Score(value=None, num_subjects=0, reason="the file holds no validation accuracy")
    return Score(value=float(values[-1]), num_subjects=0)


def _study(records: Sequence[RunRecord], name: str) -> Study:
    """A study of what was imported; it is read by the report and cannot be run."""
    plain = {
        "name": f"imported/{file_name(name, set())}"[:100],
        "question": "Results that were imported, not run here.",
        "test": "open",
        "tasks": [{"name": task} for task in dict.fromkeys(record.spec.task for record in records)],
        "models": [{"name": model} for model in dict.fromkeys(record.spec.model for record in records)],
        "methods": [{"name": method} for method in dict.fromkeys(record.spec.method.name for record in records)],
        "baselines": [],
        "seeds": sorted({record.spec.seed for record in records}),
    }
    return parse(Study, plain, "import-results")
