"""Results in the form of peft's method comparison, there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Small
from tests.report.conftest import StudyFolder

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.frozen import parse_json
from clinpeft.record import RunRecord, TestRecord

ADAPTER = {
    "peft_type": "LORA",
    "peft_version": "0.21.0",
    "task_type": "CAUSAL_LM",
    "r": 32,
    "lora_alpha": 64,
    "target_modules": ["q_proj"],
}
THEIRS: dict[str, Any] = {
    "run_info": {
        "created_at": "2025-06-19T19:15:35+00:00",
        "total_time": 1993.5,
        "experiment_name": "lora/llama-3.2-3B-rank32",
        "peft_branch": "main",
        "train_config": {
            "model_id": "meta-llama/Llama-3.2-3B",
            "max_seq_length": 768,
            "batch_size": 4,
            "max_steps": 5000,
            "seed": 0,
            "optimizer_type": "AdamW",
            "optimizer_kwargs": {"lr": 0.0001, "weight_decay": 0.1},
        },
        "peft_config": ADAPTER,
        "error_msg": "",
    },
    "train_info": {
        "accelerator_memory_reserved_avg": 11868689976,
        "accelerator_memory_max": 22273851392,
        "accelerator_memory_reserved_99th": 17710763212,
        "train_time": 1796.2,
        "file_size": 36715216,
        "num_trainable_params": 9175040,
        "num_total_params": 3221924864,
        "status": "success",
        "metrics": [
            {"step": 4750, "valid accuracy": 0.46},
            {"step": 5000, "valid accuracy": 0.5},
            {
                "step": 5000,
                "test accuracy": 0.482,
                "train loss": 0.6,
                "train samples": 20000,
                "train total tokens": 419,
            },
        ],
    },
    "meta_info": {
        "model_info": {"sha": "13afe512", "created_at": "2024-09-18T15:23:48+00:00"},
        "dataset_info": {"gsm8k": {"sha": "e53f0488", "created_at": "2022-04-12T10:22:10+00:00"}},
        "package_info": {"transformers-version": "4.52.4", "peft-version": "0.15.2.dev0", "torch-version": "2.7.1"},
        "system_info": {"system": "Linux", "processor": "x86_64", "accelerator": "NVIDIA L40S"},
    },
}
"""A file in the form that peft's repository holds, shortened."""


def written(path: Path, **changes: Any) -> Path:
    """A foreign file, some keys of its parts changed."""
    content = {part: keys | changes.get(part, {}) for part, keys in THEIRS.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def read_as_peft_does(row: dict[str, Any]) -> dict[str, Any]:
    """The keys that `method_comparison/processing.py` reads, with the types that it casts to."""
    run_info, train_info, packages = row["run_info"], row["train_info"], row["meta_info"]["package_info"]
    last = train_info["metrics"][-1]
    return {
        "peft_type": run_info["peft_config"]["peft_type"] if run_info["peft_config"] else "full-finetuning",
        "model_id": run_info["train_config"]["model_id"],
        "created_at": run_info["created_at"],
        "branch": run_info["peft_branch"],
        "total_time": float(run_info["total_time"]),
        "train_time": float(train_info["train_time"]),
        "memory": [int(train_info[f"accelerator_memory_{name}"]) for name in ("reserved_avg", "max", "reserved_99th")],
        "file_size": int(train_info["file_size"]),
        "test_accuracy": last["test accuracy"],
        "train_loss": last["train loss"],
        "samples": int(last["train samples"]),
        "tokens": int(last["train total tokens"]),
        "versions": [
            packages[f"{name}-version"] for name in ("peft", "transformers", "datasets", "torch", "bitsandbytes")
        ],
        "system": row["meta_info"]["system_info"],
    }


def test_a_study_is_written_as_peft_reads_it(trained: Small, tmp_path: Path) -> None:
    assert api.export_results(trained.out, to="peft", out=tmp_path / "json") == 2
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((tmp_path / "json").glob("*.json"))]
    read = [read_as_peft_does(row) for row in rows]
    records = trained.records()
    assert [one["peft_type"] for one in read] == ["BITFIT", "HEAD_ONLY"]
    assert [one["train_time"] for one in read] == [
        records[name].cost["train_seconds"].value for name in ("bitfit", "head-only")
    ]
    assert all(row["train_info"]["status"] == "success" for row in rows)
    assert all(one["test_accuracy"] is None for one in read), "the test labels are sealed"
    assert all(one["created_at"].startswith("20") for one in read)
    assert all(one["system"].keys() == THEIRS["meta_info"]["system_info"].keys() for one in read)


def test_what_was_exported_comes_back_whole(trained: Small, tmp_path: Path) -> None:
    api.export_results(trained.out, to="peft", out=tmp_path / "json")
    assert api.import_results(tmp_path / "json", out=tmp_path / "back") == 2
    for path in (tmp_path / "back" / "runs").glob("*/record.json"):
        again = parse_json(RunRecord, path.read_bytes(), "again")
        assert again == trained.store.record(again.run)


def test_a_foreign_result_is_a_run_with_an_opened_test(tmp_path: Path) -> None:
    file = written(tmp_path / "json" / "lora.json")
    assert api.import_results(file, out=tmp_path / "study", task="gsm8k") == 1
    (folder,) = (tmp_path / "study" / "runs").iterdir()
    record = parse_json(RunRecord, (folder / "record.json").read_bytes(), "record")
    test = parse_json(TestRecord, (folder / "test.json").read_bytes(), "test")
    assert (record.spec.task, record.spec.model, record.spec.method.name) == (
        "gsm8k",
        "meta-llama/Llama-3.2-3B",
        "lora",
    )
    assert record.spec.method.options == {"r": 32, "alpha": 64}
    assert record.spec.train.learning_rate == 0.0001
    assert (record.scores["accuracy"].value, test.scores["accuracy"].value) == (0.5, 0.482)
    assert record.cost["peak_device_bytes"].value == 22273851392
    assert record.parameters is not None and record.parameters.trainable == 9175040


def test_foreign_results_are_reported_side_by_side(tmp_path: Path) -> None:
    written(tmp_path / "json" / "lora.json")
    written(tmp_path / "json" / "dora.json", run_info={"peft_config": {**ADAPTER, "use_dora": True}})
    written(tmp_path / "json" / "full.json", run_info={"peft_config": None})
    written(
        tmp_path / "json" / "failed.json",
        run_info={"peft_config": {"peft_type": "VERA"}},
        train_info={"status": "canceled"},
    )
    api.import_results(tmp_path / "json", out=tmp_path / "study")
    results = api.results(tmp_path / "study")
    rows = {row.method: row.mean for row in results.rows if row.split == "test"}
    assert rows == {"lora": 0.482, "dora": 0.482, "full": 0.482}
    assert len(results.failures) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"run_info": {}}', json.dumps({**THEIRS, "train_info": {"metrics": []}})])
def test_another_file_is_refused_by_name_and_nothing_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"x\.json"):
        api.import_results(tmp_path / "x.json", out=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_an_import_needs_an_empty_folder_and_something_to_read(tmp_path: Path) -> None:
    file = written(tmp_path / "json" / "lora.json")
    with pytest.raises(BadInput, match="is not empty"):
        api.import_results(file, out=tmp_path / "json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no result file"):
        api.import_results(tmp_path / "empty", out=tmp_path / "study")


def test_the_command_line_does_both(trained: Small, tmp_path: Path, clinpeft: Any) -> None:
    there = clinpeft("export-results", trained.out, "--to", "peft", "--out", tmp_path / "json")
    assert (there.code, there.out) == (0, "2 runs written\n")
    back = clinpeft("import-results", tmp_path / "json", "--out", tmp_path / "back")
    assert (back.code, back.out) == (0, "2 runs imported\n")
    assert clinpeft("export-results", trained.out, "--to", "xml").code == 2


def test_rows_come_as_a_data_frame_with_the_columns_of_the_csv(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    study = StudyFolder(tmp_path / "study")
    study.card()
    for seed, value in ((1, 0.8), (2, 0.7)):
        study.run("small", "lora", seed, value, seconds=10.0 * seed)
    results = api.results(study.root)
    frame = results.to_pandas()
    assert list(frame.columns) == results.to_csv().splitlines()[0].split(",")
    (line,) = frame.to_dict("records")
    assert (line["mean"], line["per_seed"], line["train_seconds_mean"]) == (0.75, (0.8, 0.7), 15.0)
