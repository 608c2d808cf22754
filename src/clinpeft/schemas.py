"""JSON Schemas of every file that other programs read or write.

python -m clinpeft.schemas FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from clinpeft.data.card import Card
from clinpeft.data.rows import DatasetRow
from clinpeft.files import write_atomic
from clinpeft.record import Curve, Event, PredictionRow, RunRecord, TestRecord
from clinpeft.report.evaluation import Evaluation
from clinpeft.report.results import Results
from clinpeft.spec import Study

SCHEMAS: dict[str, type[BaseModel]] = {
    "study": Study,
    "dataset": DatasetRow,
    "card": Card,
    "record": RunRecord,
    "test": TestRecord,
    "curve": Curve,
    "predictions": PredictionRow,
    "journal": Event,
    "results": Results,
    "evaluation": Evaluation,
}
"""The type that owns each file: `study` is study.yaml, `dataset` one row of a dataset's Parquet, `predictions` one row
of a predictions file, `journal` one line of journal.jsonl; the others are the JSON files of the same name."""


def export(folder: Path) -> list[Path]:
    """Write `<name>.json` for every schema to `folder` (made when it is missing); the paths written, by name."""
    paths = []
    for name in sorted(SCHEMAS):
        path = folder / f"{name}.json"
        write_atomic(path, json.dumps(schema_of(name), indent=1, ensure_ascii=False) + "\n")
        paths.append(path)
    return paths


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one file, with the short forms that its readers accept."""
    schema = SCHEMAS[name].model_json_schema(by_alias=True, mode="validation")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return _with_short_forms(schema) if name == "study" else schema


def _with_short_forms(schema: dict[str, Any]) -> dict[str, Any]:
    """A study's author may write a name for a choice, a method's options flat, and a preset for models and methods."""
    definitions = schema["$defs"]
    method = definitions["MethodChoice"]
    method["additionalProperties"] = method["properties"]["options"]["additionalProperties"]
    for name in ("TaskChoice", "ModelChoice", "MethodChoice"):
        definitions[name] = {"anyOf": [{"type": "string", "minLength": 1}, definitions[name]]}
    schema["required"] = ["name", "tasks"]
    schema["anyOf"] = [
        {"required": ["models", "methods"]},
        {"required": ["preset"], "properties": {"preset": {"type": "string"}}},
    ]
    return schema


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m clinpeft.schemas FOLDER")
    for written in export(Path(sys.argv[1])):
        print(written)
