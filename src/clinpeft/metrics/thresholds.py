"""What is fitted on validation and then kept (decision thresholds, temperature), and which metrics are reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from clinpeft.metrics._absence import absence
from clinpeft.metrics._decisions import DEFAULT_THRESHOLD, annotated, gold_of, is_binary, scores_of
from clinpeft.metrics.base import Floats, Predictions
from clinpeft.spec import Kind

TEMPERATURES = (0.05, 20.0)
SMALLEST = 1e-12
"""Probabilities below it (a float32 softmax gives exact zeros) are raised to it before their logarithm is taken."""
MOST_CLASSES_BY_PAIRS = 10
"""With more, comparing every two of them takes longer than all other metrics."""
SCORED: tuple[Kind, ...] = ("classification", "pairs", "relations", "multilabel")


def metrics_for(kind: Kind, num_labels: int) -> list[str]:
    """Names of the metrics that are reported for a task beside its headline metric."""
    if kind == "entities":
        spans = ["entity-f1", "entity-f1-macro", "entity-f1-conlleval", "entity-f1-relaxed", "entity-f1-lenient"]
        return [*spans, "token-f1"]
    if kind == "relations":
        return ["relation-f1", "f1-macro", "accuracy"]
    if kind == "multilabel":
        return ["auroc", "auprc", "f1-micro", "f1-macro", "brier", "log-loss"]
    if num_labels == 2:
        return ["auroc", "auprc", "f1", "f1-macro", "accuracy", "brier", "log-loss"]
    by_pairs = ["auroc-ovo"] if num_labels <= MOST_CLASSES_BY_PAIRS else []
    return ["auroc", *by_pairs, "auprc", "f1-macro", "f1-micro", "f1-weighted", "accuracy", "brier", "log-loss"]


def choose_thresholds(predictions: Predictions) -> dict[str, float]:
    """The threshold that maximises F1, by label: the positive class of a binary task, every label of a multi-label one.

    Meant for validation. Halfway between two scores; the higher of equally good ones; 0.5 for a label without a
    positive example or with equal scores everywhere. Empty for other tasks, and when nothing can be scored.
    """
    if absence(predictions, SCORED):
        return {}
    scores, gold = scores_of(predictions), gold_of(predictions)
    if predictions.kind == "multilabel":
        cells = annotated(predictions)
        return {
            label: _best_threshold(scores[cells[:, i], i], gold[cells[:, i], i] == 1)
            for i, label in enumerate(predictions.labels)
        }
    positive = predictions.positive
    if positive is None or not is_binary(predictions):
        return {}
    return {predictions.labels[positive]: _best_threshold(scores[:, positive], gold == positive)}


def with_thresholds(predictions: Predictions, thresholds: Mapping[str, float]) -> Predictions:
    """The predictions with decision thresholds by label (0.5 for a label not named); an empty mapping sets none."""
    if not thresholds:
        return replace(predictions, thresholds=None)
    return replace(
        predictions, thresholds=np.array([thresholds.get(label, DEFAULT_THRESHOLD) for label in predictions.labels])
    )


def temperature(predictions: Predictions) -> float:
    """The temperature in [0.05, 20] that minimises the log loss: above 1 when the model is too sure.

    Meant for validation (Guo et al. 2017, arXiv:1706.04599). 1 for entities, for a single class, and when nothing can
    be scored.
    """
    if absence(predictions, SCORED) or (predictions.kind != "multilabel" and len(predictions.labels) < 2):
        return 1.0
    from scipy.optimize import minimize_scalar

    bounds = (float(np.log(TEMPERATURES[0])), float(np.log(TEMPERATURES[1])))
    found = minimize_scalar(
        lambda log_temperature: _log_loss(predictions, float(np.exp(log_temperature))),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def apply_temperature(scores: Floats, value: float, kind: Kind) -> Floats:
    """Probabilities [n, k] at a temperature: softened above 1, sharpened below; multi-label labels one by one."""
    return np.exp(_log_probabilities(scores, value, kind))


def _best_threshold(scores: Floats, is_positive: npt.NDArray[np.bool_]) -> float:
    if not is_positive.any() or scores.min() == scores.max():
        return DEFAULT_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ranked = np.append(scores[order], 0.0)
    num_predicted = np.arange(1, len(scores) + 1)
    f1 = 2 * np.cumsum(is_positive[order]) / (num_predicted + is_positive.sum())
    is_cut = ranked[:-1] > ranked[1:]
    is_cut[-1] = True
    best = int(np.argmax(np.where(is_cut, f1, -1.0)))
    above, below = float(ranked[best]), float(ranked[best + 1])
    # Halfway, so that scores stored as float32 fall on the same side; two neighbouring floats have no half.
    middle = (above + below) / 2
    return middle if middle > below else above


def _log_loss(predictions: Predictions, value: float) -> float:
    gold, scores, kind = gold_of(predictions), scores_of(predictions), predictions.kind
    if kind == "multilabel":
        of_gold = np.where(gold == 1, scores, 1 - scores)
        return -float(_log_probabilities(of_gold, value, kind)[annotated(predictions)].mean())
    return -float(_log_probabilities(scores, value, kind)[np.arange(len(gold)), gold].mean())


def _log_probabilities(scores: Floats, value: float, kind: Kind) -> Floats:
    logs = np.log(np.clip(scores, SMALLEST, 1.0)) / value
    if kind == "multilabel":
        return logs - np.logaddexp(logs, np.log(np.clip(1 - scores, SMALLEST, 1.0)) / value)
    return logs - np.logaddexp.reduce(logs, axis=1, keepdims=True)
