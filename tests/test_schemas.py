"""Every file that other programs rely on: one golden instance each, and the JSON Schema that is committed."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from clinpeft.errors import BadInput
from clinpeft.frozen import canonical, parse, parse_json
from clinpeft.schemas import SCHEMAS, export, schema_of
from clinpeft.strict_yaml import read_yaml

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "schemas"
COMMITTED = ROOT / "docs" / "schemas"
UNKNOWN_KEYS = {
    "study": ("modles", "models"),
    "dataset": ("subjects", "subject"),
    "card": ("fingerprnt", "fingerprint"),
    "record": ("statu", "status"),
    "test": ("score", "scores"),
    "curve": ("point", "points"),
    "predictions": ("truncatd", "truncated"),
    "journal": ("evnt", "event"),
    "results": ("row", "rows"),
    "evaluation": ("task", "tasks"),
}


def golden(name: str) -> list[dict[str, Any]]:
    """The golden instances of one file: the lines of a journal, the whole of any other."""
    if name == "study":
        return [read_yaml(GOLDEN / "study.yaml")]
    if name == "journal":
        return [json.loads(line) for line in (GOLDEN / "journal.jsonl").read_text().splitlines()]
    return [json.loads((GOLDEN / f"{name}.json").read_text())]


def test_every_file_has_a_schema_and_a_golden_instance() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SCHEMAS)
    assert {path.stem for path in COMMITTED.iterdir()} == set(SCHEMAS)
    assert set(UNKNOWN_KEYS) == set(SCHEMAS)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_golden_instance_is_read_strictly_and_written_back_the_same(name: str) -> None:
    for data in golden(name):
        read = parse(SCHEMAS[name], data, name)

        assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == data


@pytest.mark.parametrize("name", sorted(set(SCHEMAS) - {"study"}))
def test_a_golden_instance_writes_out_every_key(name: str) -> None:
    for data in golden(name):
        assert parse(SCHEMAS[name], data, name).model_dump(mode="json", by_alias=True) == data


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_an_unknown_key_is_refused_with_a_suggestion(name: str) -> None:
    wrong, right = UNKNOWN_KEYS[name]
    data = {**golden(name)[0], wrong: None}

    with pytest.raises(BadInput) as caught:
        parse(SCHEMAS[name], data, name)

    assert f"unknown key '{wrong}' (did you mean '{right}'?)" in str(caught.value)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_missing_key_is_refused_by_name(name: str) -> None:
    required = schema_of(name)["required"]
    data = {key: value for key, value in golden(name)[0].items() if key != required[0]}

    with pytest.raises(BadInput, match=f"key '{required[0]}' is missing"):
        parse_json(SCHEMAS[name], json.dumps(data), name)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_committed_schema_is_the_one_of_the_code(name: str) -> None:
    """`make schemas` refreshes it; a change needs a decision page."""
    assert json.loads((COMMITTED / f"{name}.json").read_text()) == schema_of(name)


def test_export_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in export(tmp_path / "a")]
    second = [path.read_bytes() for path in export(tmp_path / "b")]

    assert first == second
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(f"{name}.json" for name in SCHEMAS)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_closed_but_for_the_options_of_a_method(name: str) -> None:
    schema = schema_of(name)
    objects = {"": schema, **schema.get("$defs", {})}
    method = objects.pop("MethodChoice", None)

    closed = {key for key, value in objects.items() if value.get("additionalProperties") is False}
    short_forms = {key for key, value in objects.items() if "anyOf" in value and key}
    for key in short_forms:
        assert [branch["type"] for branch in objects[key]["anyOf"]] == ["string", "object"]
        assert objects[key]["anyOf"][1]["additionalProperties"] is False

    assert closed | short_forms == set(objects)
    assert (method is not None) == (name == "study")


def test_the_schema_of_a_study_takes_the_short_forms() -> None:
    schema = schema_of("study")
    method = schema["$defs"]["MethodChoice"]["anyOf"][1]

    assert schema["required"] == ["name", "tasks"]
    assert {"type": "integer"} in method["additionalProperties"]["anyOf"]


def test_a_journal_line_is_bound_by_the_checksum_of_its_other_keys() -> None:
    for line in golden("journal"):
        rest = {key: value for key, value in line.items() if key != "crc32"}

        assert line["crc32"] == f"{zlib.crc32(canonical(rest)):08x}"
