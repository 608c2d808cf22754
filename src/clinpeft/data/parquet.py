"""A dataset's Parquet files: one row an example, columns by kind as the schemas page lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinpeft.errors import GateRefused
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example, Span

if TYPE_CHECKING:
    import pyarrow as pa

KIND_COLUMNS: dict[Kind, tuple[str, ...]] = {
    "classification": ("label",),
    "pairs": ("text_b", "label"),
    "multilabel": ("labels", "missing"),
    "entities": ("tokens", "starts", "ends", "tags", "spans"),
    "relations": ("head", "tail", "label"),
}
ROWS_AT_ONCE = 2_000


def write_examples(path: Path, examples: Sequence[Example], kind: Kind, groups: Sequence[str]) -> None:
    """Write examples as Parquet, mode 0600: the same examples give the same bytes. Every page carries a checksum,
    because a flipped bit in Parquet is otherwise read as wrong data."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = schema_of(kind, groups)
    path.touch(mode=0o600)
    path.chmod(0o600)
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for first in range(0, len(examples), ROWS_AT_ONCE):
            rows = [_row(example, kind, groups) for example in examples[first : first + ROWS_AT_ONCE]]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def read_examples(path: Path, split: str) -> list[Example]:
    """The examples of one Parquet file in stored order, ids as stored. Raises GateRefused when the file is broken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        raise GateRefused(f"{path}: cannot be read as Parquet; build the dataset again") from None
    return [_example(row, split) for batch in table.to_batches(ROWS_AT_ONCE) for row in batch.to_pylist()]


def read_subjects(path: Path) -> list[str]:
    """The hashed subject of every row, in stored order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        subjects: list[str] = pq.read_table(path, columns=["subject"], page_checksum_verification=True)[0].to_pylist()
    except (OSError, pa.ArrowException):
        raise GateRefused(f"{path}: cannot be read as Parquet; build the dataset again") from None
    return subjects


def schema_of(kind: Kind, groups: Sequence[str]) -> pa.Schema:
    """The Arrow schema of a kind's files."""
    import pyarrow as pa

    span = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())])
    types = {
        "labels": pa.list_(pa.string()),
        "missing": pa.list_(pa.string()),
        "tokens": pa.list_(pa.string()),
        "starts": pa.list_(pa.int32()),
        "ends": pa.list_(pa.int32()),
        "tags": pa.list_(pa.string()),
        "spans": pa.list_(span),
        "head": span,
        "tail": span,
    }
    fields = [pa.field(name, pa.string(), nullable=False) for name in ("example", "subject", "document")]
    fields.append(pa.field("time", pa.date32()))
    fields += [pa.field(f"group_{name}", pa.string()) for name in groups]
    fields.append(pa.field("text", pa.string(), nullable=False))
    fields += [pa.field(name, types.get(name, pa.string()), nullable=False) for name in KIND_COLUMNS[kind]]
    return pa.schema(fields)


def _row(example: Example, kind: Kind, groups: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(example, name) for name in ("example", "subject", "document", "time", "text")}
    row |= {f"group_{name}": example.groups.get(name) for name in groups}
    row |= {name: _plain(getattr(example, name)) for name in KIND_COLUMNS[kind]}
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, Span):
        return {"start": value.start, "end": value.end, "label": value.label}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _example(row: dict[str, Any], split: Any) -> Example:
    fields = {name: _typed(value) for name, value in row.items() if not name.startswith("group_")}
    groups = {name.removeprefix("group_"): value for name, value in row.items() if name.startswith("group_")}
    return replace(Example(**fields), split=split, groups=groups)


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return Span(value["start"], value["end"], value["label"])
    return tuple(_typed(item) for item in value) if isinstance(value, list) else value
