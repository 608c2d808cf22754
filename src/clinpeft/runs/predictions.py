"""predictions-{validation,test}.parquet: what a run says about every example; never its text."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinpeft.data.card import Card
from clinpeft.metrics.base import Predictions
from clinpeft.tasks.base import Example


def write_predictions(
    path: Path,
    examples: Sequence[Example],
    card: Card,
    predictions: Predictions,
    is_truncated: Sequence[bool],
    secret: bytes,
    *,
    with_gold: bool,
) -> None:
    """One row an example, in the dataset's order; subjects are re-keyed by the study's secret.

    Scores are probabilities in float32 as columns `score_<i>` in label order; entities have `predicted` tags.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "example": pa.array([example.example for example in examples], pa.string()),
        "subject": pa.array([_rekeyed(secret, example.subject) for example in examples], pa.string()),
    }
    for name in sorted({name for example in examples for name in example.groups}):
        columns[f"group_{name}"] = pa.array([example.groups.get(name) for example in examples], pa.string())
    columns["truncated"] = pa.array(list(is_truncated), pa.bool_())
    if predictions.scores is not None:
        for index in range(len(card.labels)):
            columns[f"score_{index}"] = pa.array(predictions.scores[:, index], pa.float32())
    if card.kind == "entities":
        columns["predicted"] = pa.array([list(tags) for tags in predictions.predicted_tags], pa.list_(pa.string()))
    if with_gold:
        columns |= gold_columns(examples, card)
    pq.write_table(pa.table(columns), path, write_page_checksum=True, compression="zstd")


def join_gold(path: Path, examples: Mapping[str, Example], card: Card) -> bytes:
    """The Parquet file at `path` with the gold of its examples joined, as bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path, page_checksum_verification=True)
    rows = [examples[name] for name in table.column("example").to_pylist()]
    for name, column in gold_columns(rows, card).items():
        table = table.append_column(name, column)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def gold_columns(examples: Sequence[Example], card: Card) -> dict[str, Any]:
    """The columns that hold what is right: `label`, `labels` and `missing`, or `tags`."""
    import pyarrow as pa

    strings = pa.list_(pa.string())
    if card.kind == "entities":
        return {"tags": pa.array([list(example.tags) for example in examples], strings)}
    if card.kind == "multilabel":
        return {
            "labels": pa.array([list(example.labels) for example in examples], strings),
            "missing": pa.array([list(example.missing) for example in examples], strings),
        }
    return {"label": pa.array([example.label for example in examples], pa.string())}


def read_predictions(path: Path, examples: Mapping[str, Example], card: Card) -> Predictions:
    """The file as arrays for metrics, with the gold of `examples` (by example id)."""
    import numpy as np
    import pyarrow.parquet as pq

    from clinpeft.train.predictions import predictions_from

    table = pq.read_table(path, page_checksum_verification=True)
    rows = [examples[name] for name in table.column("example").to_pylist()]
    if card.kind == "entities":
        return predictions_from(rows, card, predicted_tags=table.column("predicted").to_pylist())
    columns = [table.column(f"score_{index}").to_numpy() for index in range(len(card.labels))]
    return predictions_from(rows, card, scores=np.stack(columns, axis=1).astype(np.float64))


def _rekeyed(secret: bytes, subject: str) -> str:
    return hmac.new(secret, subject.encode(), hashlib.sha256).hexdigest()[:16]
