"""predictions-{validation,test}.parquet: what a run says about every example; never its text."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinpeft.data.card import Card
from clinpeft.data.spans import tags_by_piece
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

    Scores are probabilities in float32 as columns `score_<i>` in label order; entities have `predicted` tags. Where
    word pieces are scored, both tags are those of pieces, and `pieces` says how many each word has.
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
        if predictions.piece_counts:
            columns["pieces"] = pa.array([list(row) for row in predictions.piece_counts], pa.list_(pa.int32()))
    if with_gold:
        columns |= gold_columns(examples, card, predictions.piece_counts)
    pq.write_table(pa.table(columns), path, write_page_checksum=True, compression="zstd")


def join_gold(path: Path, examples: Mapping[str, Example], card: Card) -> bytes:
    """The Parquet file at `path` with the gold of its examples joined, as bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path, page_checksum_verification=True)
    rows = [examples[name] for name in table.column("example").to_pylist()]
    for name, column in gold_columns(rows, card, _piece_counts(table)).items():
        table = table.append_column(name, column)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def gold_columns(examples: Sequence[Example], card: Card, piece_counts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The columns that hold what is right: `label`, `labels` and `missing`, or `tags` (of pieces where they count)."""
    import pyarrow as pa

    strings = pa.list_(pa.string())
    if card.kind == "entities":
        tags = [example.tags for example in examples]
        if piece_counts:
            tags = [tags_by_piece(*row) for row in zip(tags, piece_counts, strict=True)]
        return {"tags": pa.array([list(row) for row in tags], strings)}
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
        predicted = table.column("predicted").to_pylist()
        return predictions_from(rows, card, predicted_tags=predicted, piece_counts=_piece_counts(table))
    columns = [table.column(f"score_{index}").to_numpy() for index in range(len(card.labels))]
    return predictions_from(rows, card, scores=np.stack(columns, axis=1).astype(np.float64))


def _piece_counts(table: Any) -> Sequence[Sequence[int]]:
    return table.column("pieces").to_pylist() if "pieces" in table.column_names else ()


def _rekeyed(secret: bytes, subject: str) -> str:
    return hmac.new(secret, subject.encode(), hashlib.sha256).hexdigest()[:16]
