"""From scores to decisions: the predicted class, or the predicted labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clinpeft.metrics.base import Floats, Predictions

DEFAULT_THRESHOLD = 0.5


def gold_of(predictions: Predictions) -> npt.NDArray[np.int64]:
    """The gold array; whoever calls has asked `absence` first."""
    if predictions.gold is None:
        raise ValueError("these predictions hold no gold labels")
    return predictions.gold


def scores_of(predictions: Predictions) -> Floats:
    """The score array; whoever calls has asked `absence` first."""
    if predictions.scores is None:
        raise ValueError("these predictions hold no scores")
    return predictions.scores


def annotated(predictions: Predictions) -> npt.NDArray[np.bool_]:
    """Bool [n, k] of a multi-label task: which cells somebody annotated."""
    if predictions.missing is None:
        return np.ones(gold_of(predictions).shape, dtype=bool)
    return ~predictions.missing


def is_binary(predictions: Predictions) -> bool:
    """Two classes, one of them named positive."""
    return predictions.kind != "multilabel" and len(predictions.labels) == 2 and predictions.positive is not None


def predicted_classes(predictions: Predictions) -> npt.NDArray[np.int64]:
    """Int [n]: the class with the highest score (the first on ties).

    Binary tasks with thresholds set: the positive class wherever its score is at or above its threshold.
    """
    scores, positive = scores_of(predictions), predictions.positive
    if predictions.thresholds is None or positive is None or not is_binary(predictions):
        highest: npt.NDArray[np.int64] = scores.argmax(axis=1)
        return highest
    is_positive: npt.NDArray[np.bool_] = scores[:, positive] >= predictions.thresholds[positive]
    return np.where(is_positive, positive, 1 - positive)


def predicted_labels(predictions: Predictions) -> npt.NDArray[np.bool_]:
    """Bool [n, k]: score at or above the label's threshold (0.5 when none is set); never where nobody annotated."""
    scores = scores_of(predictions)
    thresholds = DEFAULT_THRESHOLD if predictions.thresholds is None else predictions.thresholds
    is_predicted: npt.NDArray[np.bool_] = scores >= thresholds
    return is_predicted & annotated(predictions)
