"""DatasetRow says the same as the Parquet files."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest

from clinpeft.data.parquet import read_examples, schema_of, write_examples
from clinpeft.data.rows import DatasetRow
from clinpeft.errors import BadInput
from clinpeft.frozen import parse
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example, Span

TEXT = "Took aspirin ."
SHARED: dict[str, Any] = {"example": "e", "subject": "s", "document": "d", "text": TEXT}
BY_KIND: dict[str, dict[str, Any]] = {
    "classification": {"label": "yes"},
    "pairs": {"text_b": "Took a tablet .", "label": "entailment"},
    "multilabel": {"labels": ["a"], "missing": []},
    "entities": {
        "tokens": ["Took", "aspirin", "."],
        "starts": [0, 5, 13],
        "ends": [4, 12, 14],
        "tags": ["O", "B-drug", "O"],
        "spans": [{"start": 5, "end": 12, "label": "drug"}],
    },
    "relations": {
        "head": {"start": 0, "end": 4, "label": "act"},
        "tail": {"start": 5, "end": 12, "label": "drug"},
        "label": "none",
    },
}


def row(kind: str, **changes: Any) -> DatasetRow:
    return parse(DatasetRow, {**SHARED, **BY_KIND[kind], **changes}, "row")


def refused(kind: str, **changes: Any) -> str:
    with pytest.raises(BadInput) as caught:
        row(kind, **changes)
    return str(caught.value)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_row_knows_its_kind_by_its_columns(kind: Kind) -> None:
    assert row(kind).kind == kind


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_row_has_the_columns_of_the_parquet_file(kind: Kind) -> None:
    written = row(kind, group_ward="x").model_dump(mode="json", exclude_none=True)

    assert {*written, "time"} == set(schema_of(kind, ["ward"]).names)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_row_of_a_written_file_is_a_dataset_row(kind: Kind, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    fields = {name: _typed(value) for name, value in BY_KIND[kind].items()}
    example = Example(**SHARED, **fields, time=date(2024, 2, 29), groups={"ward": None})
    write_examples(tmp_path / "train.parquet", [example], kind, ["ward"])
    (stored,) = pq.read_table(tmp_path / "train.parquet").to_pylist()

    read = parse(DatasetRow, json.loads(json.dumps(stored, default=str)), "row")

    assert read.kind == kind
    assert read.time == date(2024, 2, 29)
    assert read.groups == {"ward": None}
    assert [found.text for found in read_examples(tmp_path / "train.parquet", "train")] == [read.text]


def test_group_columns_are_gathered_by_name_and_written_back_flat() -> None:
    read = row("classification", group_ward="cardiology", group_sex=None)

    assert read.groups == {"ward": "cardiology", "sex": None}
    assert read.model_dump(exclude_none=True)["group_ward"] == "cardiology"
    assert "groups" not in read.model_dump()


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("classification", {"labels": []}, "the columns are those of no kind"),
        ("classification", {"label": None}, "the columns are those of no kind"),
        ("multilabel", {"missing": None}, "the columns are those of no kind"),
        ("entities", {"label": "x"}, "the columns are those of no kind"),
        ("entities", {"tags": ["O"]}, "tokens, starts, ends and tags differ in length"),
        ("entities", {"ends": [4, 12, 15]}, "a span ends before it starts or beyond the text"),
        ("entities", {"starts": [0, 12, 13]}, "a span ends before it starts or beyond the text"),
        ("relations", {"tail": {"start": 5, "end": 99, "label": "drug"}}, "beyond the text"),
        ("relations", {"tail": {"start": -1, "end": 3, "label": "drug"}}, "'tail.start': Input should be greater than"),
        ("classification", {"time": "30/01/2024"}, "'time': must be a date (YYYY-MM-DD)"),
        ("classification", {"time": 19_000}, "'time': Input should be a valid date"),
        ("classification", {"group_ward": 3}, "Input should be a valid string"),
        ("classification", {"subjects": "x"}, "unknown key 'subjects' (did you mean 'subject'?)"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_without_its_text(kind: str, changes: dict[str, Any], message: str) -> None:
    assert message in refused(kind, **changes)
    assert "aspirin" not in refused(kind, **changes)


def test_a_row_printed_shows_no_text() -> None:
    assert "aspirin" not in repr(row("entities"))
    assert "tablet" not in repr(row("pairs"))


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return Span(**value)
    return tuple(_typed(item) for item in value) if isinstance(value, list) else value
