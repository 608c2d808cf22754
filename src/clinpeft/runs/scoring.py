"""From predictions to scores and prediction files; nothing here sees the test labels."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clinpeft.data.card import Card
from clinpeft.data.tokenize import Encoded, Encoder
from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.metrics.intervals import score, scores
from clinpeft.metrics.thresholds import choose_thresholds, metrics_for, temperature, with_thresholds
from clinpeft.models.load import ClinicalModel
from clinpeft.record import Calibration, RunRecord, Truncated
from clinpeft.runs.grid import PlannedRun
from clinpeft.runs.predictions import write_predictions
from clinpeft.spec import Judging, TrainOptions
from clinpeft.tasks.base import Example
from clinpeft.train.evaluate import predict_scores, predict_tags
from clinpeft.train.precision import Precision
from clinpeft.train.predictions import predictions_from

TIMED_ALONE = 20
"""Validation examples that are scored one by one, for the latency."""

Predict = Callable[[Sequence[Example], Sequence[Encoded]], Predictions]


def predictor(model: ClinicalModel, card: Card, encoder: Encoder, precision: Precision) -> Predict:
    """A function from examples, as given and as encoded, to the model's predictions."""

    def predict(examples: Sequence[Example], encoded: Sequence[Encoded]) -> Predictions:
        if card.kind == "entities":
            tags = predict_tags(model, encoded, encoder.tags, encoder.pad_id, precision)
            counts = [item.piece_counts for item in encoded if item.piece_counts is not None]
            return predictions_from(examples, card, predicted_tags=tags, piece_counts=counts)
        probabilities = predict_scores(model, encoded, card.kind, encoder.pad_id, precision)
        return in_float32(predictions_from(examples, card, probabilities))

    return predict


def in_float32(predictions: Predictions) -> Predictions:
    """Scores as they will lie on disk, so that metrics taken now and from the file agree."""
    if predictions.scores is None:
        return predictions
    return replace(predictions, scores=predictions.scores.astype(np.float32).astype(np.float64))


def what_was_cut(encoded: Sequence[Encoded]) -> Truncated:
    """Of one split."""
    return Truncated(
        examples=sum(item.is_truncated for item in encoded), labels=sum(item.labels_lost for item in encoded)
    )


def epoch_judge(
    metric: str,
    predict: Predict,
    examples: Sequence[Example],
    encoded: Sequence[Encoded],
    number: int,
) -> Callable[[], float | None]:
    """What early stopping asks after an epoch: the headline metric on validation, or on a fixed draw of so many of it,
    turned so that more is better; None where it is undefined."""
    chosen = list(range(len(examples)))
    if len(chosen) > number:
        chosen = sorted(random.Random(0).sample(chosen, number))
    some, some_encoded = [examples[index] for index in chosen], [encoded[index] for index in chosen]
    entry = METRICS.get(metric)()

    def judge() -> float | None:
        predictions = predict(some, some_encoded)
        value = score(entry, with_thresholds(predictions, choose_thresholds(predictions)), num_resamples=0).value
        return value if value is None or entry.higher_is_better else -value

    return judge


def selection_size(options: TrainOptions, num_examples: int) -> int:
    """Of so many validation examples, how many a run is judged by while it trains; the record's scores use all."""
    most = (options.judge or Judging()).examples
    return num_examples if most == "all" else min(most, num_examples)


def write_and_score(
    folder: Path,
    planned: PlannedRun,
    card: Card,
    metric: str,
    secret: bytes,
    results: Mapping[str, tuple[Sequence[Example], Predictions, Sequence[bool]]],
    truncated: dict[str, Truncated],
) -> RunRecord:
    """Write both prediction files to `folder` and score validation.

    results: for validation and test the examples, their predictions and which of them were cut. The test file gets no
    gold; thresholds and temperature come from validation alone.
    """
    for name, (examples, predictions, flags) in results.items():
        path = folder / f"predictions-{name}.parquet"
        write_predictions(path, examples, card, predictions, flags, secret, with_gold=name == "validation")
    validation = results["validation"][1]
    thresholds = choose_thresholds(validation)
    names = dict.fromkeys([metric, *metrics_for(card.kind, len(card.labels))])
    has_scores = validation.scores is not None
    return RunRecord(
        run=planned.run,
        role=planned.role,
        status="success",
        spec=planned.spec,
        identity=planned.identity,
        scores=scores(names, with_thresholds(validation, thresholds)),
        thresholds=thresholds,
        calibration=Calibration(temperature=temperature(validation)) if has_scores else None,
        truncated=truncated,
    )
