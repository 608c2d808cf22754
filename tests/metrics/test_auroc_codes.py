"""auroc-codes: labels that start with + are learned and not scored."""

from dataclasses import replace

import numpy as np
import pytest

from clinpeft.metrics.auroc import Auroc
from clinpeft.metrics.auroc_codes import AurocCodes
from clinpeft.metrics.intervals import score
from clinpeft.testing.metrics import few_predictions


def test_without_a_plus_it_is_auroc():
    predictions = few_predictions("multilabel")
    assert score(AurocCodes(), predictions).value == score(Auroc(), predictions).value
    assert AurocCodes().remark(predictions) == Auroc().remark(predictions)


def test_labels_with_a_plus_do_not_count():
    predictions = few_predictions("multilabel")
    marked = replace(predictions, labels=("a", "+b"))
    alone = replace(
        predictions,
        labels=("a",),
        gold=predictions.gold[:, :1],
        scores=predictions.scores[:, :1],
        missing=predictions.missing[:, :1],
    )
    assert score(AurocCodes(), marked).value == score(Auroc(), alone).value
    assert AurocCodes().remark(marked) == "not scored, as they start with +: 1"
    weights = np.ones((2, len(predictions)))
    assert AurocCodes().values(marked, weights) == pytest.approx(Auroc().values(alone, weights))


def test_it_is_absent_where_no_label_is_scored():
    predictions = replace(few_predictions("multilabel"), labels=("+a", "+b"))
    assert AurocCodes().undefined(predictions) == "every label starts with +: none is scored"
