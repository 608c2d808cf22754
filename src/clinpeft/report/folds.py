"""Cross-validation: the folds' predictions laid end to end and scored as one, for a mean of folds has no interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from clinpeft.data.card import Card
from clinpeft.errors import BadInput
from clinpeft.record import Score
from clinpeft.report.load import LoadedRun
from clinpeft.tasks.base import Example

if TYPE_CHECKING:
    from clinpeft.metrics.base import Predictions

FILES = {split: f"predictions-{split}.parquet" for split in ("validation", "test")}
GROUP = "group_"
"""What the name of a column of groups begins with."""
GOLD = {"label", "labels", "tags"}
"""Columns of which one is there where the gold is."""


def pooled_scores(runs: Sequence[LoadedRun], card: Card) -> dict[str, Score] | None:
    """The metrics that the runs were scored with, with intervals over subjects, on the folds' pooled predictions.

    None when a fold's predictions are not kept. Metrics that this environment does not know are left out.
    """
    from clinpeft.metrics.base import METRICS
    from clinpeft.metrics.intervals import scores

    predictions = pooled_predictions(runs, card)
    names = [name for name in runs[0].record.scores if name in METRICS]
    return None if predictions is None else scores(names, predictions)


def pooled_predictions(runs: Sequence[LoadedRun], card: Card) -> Predictions | None:
    """The out-of-fold predictions of one seed, folds in order; every training example stands in them once.

    Decision thresholds, which each fold chose for itself, are averaged over the folds. None when a fold's predictions
    are not kept. Raises BadInput when a file cannot be read, or holds a label that the card does not list.
    """
    found = pooled_with_groups(runs, card)
    return None if found is None else found[0]


def pooled_with_groups(
    runs: Sequence[LoadedRun], card: Card, split: Literal["validation", "test"] = "validation"
) -> tuple[Predictions, dict[str, list[str | None]]] | None:
    """The same, and of each example the groups that it belongs to, by column. The test split has the gold once its
    labels were opened; None before."""
    import numpy as np

    from clinpeft.metrics.thresholds import with_thresholds
    from clinpeft.train.predictions import predictions_from

    name = FILES[split]
    if not all((run.folder / name).is_file() for run in runs):
        return None
    rows = [row for run in runs for row in rows_of(run, name)]
    if not all(GOLD & row.keys() for row in rows[:1]):
        return None
    examples = [_example(row) for row in rows]
    columns = [name for name in (rows[0] if rows else ()) if name.startswith(GROUP)]
    groups = {column.removeprefix(GROUP): [row.get(column) for row in rows] for column in columns}
    if card.kind == "entities":
        return predictions_from(examples, card, predicted_tags=[row["predicted"] for row in rows]), groups
    scores = np.array([[row[f"score_{index}"] for index in range(len(card.labels))] for row in rows], dtype=np.float64)
    predictions = predictions_from(examples, card, scores.reshape(-1, len(card.labels)))
    return with_thresholds(predictions, _mean_thresholds(runs)), groups


def rows_of(run: LoadedRun, name: str) -> list[dict[str, Any]]:
    """One of a run's two files of predictions, row by row. Raises BadInput when it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.folder / name
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, page_checksum_verification=True).to_pylist()
    except (OSError, pa.ArrowException):
        raise BadInput(
            str(path), "cannot be read as Parquet", "`clinpeft verify DIR` says what else is broken"
        ) from None
    return rows


def _example(row: Mapping[str, Any]) -> Example:
    """Ids and gold of a row of predictions; there is no text."""
    return Example(
        example=row["example"],
        subject=row["subject"],
        document="",
        text="",
        label=row.get("label"),
        labels=tuple(row.get("labels") or ()),
        missing=tuple(row.get("missing") or ()),
        tags=tuple(row.get("tags") or ()),
    )


def _mean_thresholds(runs: Sequence[LoadedRun]) -> dict[str, float]:
    chosen = [run.record.thresholds for run in runs]
    labels = [label for label in chosen[0] if all(label in thresholds for thresholds in chosen)]
    return {label: fmean(thresholds[label] for thresholds in chosen) for label in labels}
