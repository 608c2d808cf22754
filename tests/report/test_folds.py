"""Cross-validation: one score over all out-of-fold predictions, checked against reference libraries."""

from __future__ import annotations

import random
from typing import Any

import pytest
from seqeval.metrics import f1_score
from sklearn.metrics import accuracy_score, roc_auc_score

from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.results import ResultRow, Results

SPLIT = {"method": "user", "by": "subject", "shared_subjects": 0, "folds": 2}


def results_of(folder: Any) -> Results:
    return aggregate(load([folder.root]))


def by_metric(folder: Any) -> dict[str, ResultRow]:
    return {row.metric: row for row in results_of(folder).rows}


def columns(fold: int, scores: list[float], labels: list[str]) -> dict[str, list[Any]]:
    return {
        "example": [f"e{fold}-{index}" for index in range(len(scores))],
        "subject": [f"s{fold}-{index}" for index in range(len(scores))],
        "truncated": [False] * len(scores),
        "score_0": [1 - score for score in scores],
        "score_1": scores,
        "label": labels,
    }


def test_folds_are_scored_as_one_and_not_averaged(folder: Any) -> None:
    folder.card(split=SPLIT)
    generator = random.Random(1)
    scores, labels = [[], []], [[], []]
    for fold, shift in ((0, 0.0), (1, 0.3)):
        labels[fold] = [generator.choice(["no", "yes"]) for _ in range(40)]
        # Scores of the second fold lie higher, so that the pooled AUROC is below the mean of the folds'.
        scores[fold] = [0.25 + shift + 0.2 * (label == "yes") + 0.2 * generator.random() for label in labels[fold]]
        folder.predictions(folder.run(seed=1, fold=fold), columns(fold, scores[fold], labels[fold]))

    row = by_metric(folder)["auroc"]

    gold = [label == "yes" for label in labels[0] + labels[1]]
    assert row.mean == pytest.approx(roc_auc_score(gold, scores[0] + scores[1]), abs=1e-12)
    assert row.low < row.mean < row.high
    assert (row.num_seeds, row.num_folds, row.num_failed) == (1, 2, 0)


def test_thresholds_of_the_folds_are_averaged(folder: Any) -> None:
    folder.card(split=SPLIT)
    scored = {"auroc": {"value": 1.0, "num_subjects": 2}, "accuracy": {"value": 1.0, "num_subjects": 2}}
    values = [0.1, 0.45, 0.55, 0.9]
    for fold, threshold in ((0, 0.3), (1, 0.5)):
        record = folder.run(seed=1, fold=fold, scores=scored, thresholds={"yes": threshold})
        folder.predictions(record, columns(fold, values, ["no", "yes", "yes", "yes"]))

    # At (0.3 + 0.5) / 2 = 0.4 every example is right; at either fold's own one of 0.5 the second would be wrong.
    assert by_metric(folder)["accuracy"].mean == accuracy_score(
        [0, 1, 1, 1] * 2, [value >= 0.4 for value in values] * 2
    )


def test_a_seed_with_a_missing_fold_has_no_value(folder: Any) -> None:
    folder.card(split=SPLIT)
    folder.predictions(folder.run(seed=1, fold=0), columns(0, [0.2, 0.8], ["no", "yes"]))

    results = results_of(folder)

    assert (results.rows[0].mean, results.rows[0].per_seed, results.rows[0].num_failed) == (None, (None,), 1)
    assert any("Cross-validation is incomplete" in warning for warning in results.warnings)


def test_a_seed_with_a_failed_fold_has_no_value(folder: Any) -> None:
    folder.card(split=SPLIT)
    folder.predictions(folder.run(seed=1, fold=0), columns(0, [0.2, 0.8], ["no", "yes"]))
    folder.failed("small", "lora", 1, "diverged", "diverged", "the loss became infinite", fold=1)

    row = results_of(folder).rows[0]

    assert (row.mean, row.num_failed, len(row.runs)) == (None, 1, 2)


def test_without_kept_predictions_there_is_no_value_and_no_failure(folder: Any) -> None:
    folder.card(split=SPLIT)
    for fold in (0, 1):
        folder.run(seed=1, fold=fold)

    results = results_of(folder)

    assert (results.rows[0].mean, results.rows[0].num_failed) == (None, 0)
    assert any("predictions were not kept" in warning for warning in results.warnings)


def test_entities_of_all_folds_are_scored_together(folder: Any) -> None:
    folder.card(split=SPLIT, kind="entities", labels=["Drug"], positive=None, metric="entity-f1")
    gold = [[["B-Drug", "I-Drug", "O"], ["O", "B-Drug"]], [["B-Drug", "O", "O"], ["O", "O"]]]
    predicted = [[["B-Drug", "I-Drug", "O"], ["O", "O"]], [["B-Drug", "I-Drug", "O"], ["O", "B-Drug"]]]
    for fold in (0, 1):
        scored = {"entity-f1": {"value": 0.5, "num_subjects": 2}}
        record = folder.run(seed=1, fold=fold, kind="entities", scores=scored)
        table = columns(fold, [0.0, 0.0], ["", ""])
        rows = {"tags": gold[fold], "predicted": predicted[fold]}
        folder.predictions(record, {key: table[key] for key in ("example", "subject", "truncated")} | rows)

    assert by_metric(folder)["entity-f1"].mean == pytest.approx(
        f1_score(gold[0] + gold[1], predicted[0] + predicted[1])
    )


def test_labels_nobody_annotated_stay_out_of_the_pooled_score(folder: Any) -> None:
    folder.card(split=SPLIT, kind="multilabel", labels=["flu", "gout"], positive=None, metric="f1-micro")
    for fold in (0, 1):
        scored = {"f1-micro": {"value": 0.5, "num_subjects": 2}}
        record = folder.run(seed=1, fold=fold, kind="multilabel", scores=scored)
        table = columns(fold, [0.9, 0.9], ["", ""])
        table["score_0"] = [0.9, 0.1]
        rows = {"labels": [["flu"], ["gout"]], "missing": [["gout"], []]}
        folder.predictions(record, {key: table[key] for key in table if key != "label"} | rows)

    # Flu: a hit and a right no. Gout: a hit; the other one, a false alarm if it counted, was annotated by nobody.
    assert by_metric(folder)["f1-micro"].mean == 1


def test_test_scores_of_the_folds_models_are_averaged(folder: Any) -> None:
    folder.card(split=SPLIT)
    for fold, value in ((0, 0.6), (1, 0.8)):
        folder.predictions(
            folder.run(seed=1, fold=fold, test=value), columns(fold, [0.1, 0.9, 0.2, 0.8], ["no", "yes", "no", "yes"])
        )

    row = next(row for row in results_of(folder).rows if row.split == "test")

    assert (row.mean, row.num_seeds) == (pytest.approx(0.7), 1)
