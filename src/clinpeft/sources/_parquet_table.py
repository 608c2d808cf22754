"""Parquet tables of the user's own: plain columns only, values as Python has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles


def read_parquet_table(raw: RawFiles, path: Path) -> tuple[list[str], list[int], list[dict[str, Any]]]:
    """(columns, row numbers from 1, rows). Raises BadInput for a broken file or an extension type."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise BadInput(str(path), "is a folder" if path.is_dir() else "is not there", "give one Parquet file")
    raw.note(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for column in file.schema_arrow:
                if isinstance(column.type, pa.BaseExtensionType):
                    raise BadInput(f"{path.name}: column '{column.name}'", "has an extension type", "store plain types")
            table = file.read()
    except (pa.ArrowException, OSError):
        raise BadInput(path.name, "is no Parquet file, or damaged", "copy it again") from None
    columns = table.column_names
    if len(set(columns)) < len(columns):
        raise BadInput(path.name, "names a column twice", "rename one")
    try:
        rows = table.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError):
        raise BadInput(
            path.name, "holds a value that Python cannot (a date out of range, text that is not UTF-8)"
        ) from None
    return columns, list(range(1, len(rows) + 1)), rows
