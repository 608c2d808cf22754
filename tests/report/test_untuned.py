"""The untuned encoder in the report: a baseline that has a model, named so wherever it stands."""

from __future__ import annotations

from typing import Any

import pytest

from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.configurations import configurations, selected
from clinpeft.report.matched import matched
from clinpeft.report.render import write_report
from clinpeft.report.view import page
from clinpeft.report.view_base import entries

ENCODER = "encoder-logistic"


@pytest.fixture
def study(folder: Any) -> Any:
    """Two models, tuned and not, and the two baselines without one."""
    folder.run("none", "majority", 0, value=0.5, arm=0.0, seconds=0.1)
    folder.run("none", "tfidf-logistic", 0, value=0.72, arm=0.02, seconds=1)
    for model, untuned, tuned in (("large", 0.80, 0.90), ("small", 0.70, 0.75)):
        folder.run(model, ENCODER, 0, value=untuned, arm=0.02, seconds=20)
        folder.run(model, "lora", 1, value=tuned, arm=0.02, seconds=100)
    return folder


def sentence(folder: Any) -> str:
    (found,) = aggregate(load([folder.root])).recommendations
    return found.sentence


def test_baselines_come_first_those_without_a_model_before_the_others(study: Any) -> None:
    rows = aggregate(load([study.root])).rows

    assert [(row.model, row.method, row.is_baseline) for row in rows] == [
        ("none", "majority", True),
        ("none", "tfidf-logistic", True),
        ("large", ENCODER, True),
        ("small", ENCODER, True),
        ("large", "lora", False),
        ("small", "lora", False),
    ]
    assert rows[2].options == {}, "it has no learning rate"
    assert rows[2].domain != "none"


def test_a_choice_says_what_it_gains_over_the_same_model_untuned(study: Any) -> None:
    text = sentence(study)

    assert "take large with lora" in text
    assert (
        "It beats TF-IDF + logistic regression (0.720 [0.700, 0.740]) by 0.180 [0.138, 0.222] and the same model "
        "untuned (0.800 [0.780, 0.820]) by 0.100 [0.058, 0.142]." in text
    )


def test_a_gain_over_the_untuned_encoder_within_noise_is_called_that(folder: Any) -> None:
    folder.run("none", "tfidf-logistic", 0, value=0.70, arm=0.02, seconds=1)
    folder.run("large", ENCODER, 0, value=0.84, arm=0.05, seconds=20)
    folder.run("small", ENCODER, 0, value=0.60, arm=0.05, seconds=20)
    folder.run("large", "lora", 1, value=0.90, arm=0.05, seconds=100)

    text = sentence(folder)

    assert "It beats TF-IDF + logistic regression (0.700 [0.680, 0.720]) by 0.200 [0.128, 0.272]." in text
    assert "You have no evidence that it beats the same model untuned (0.840 [0.790, 0.890])." in text


def test_one_that_suffices_is_recommended_as_what_it_is(folder: Any) -> None:
    folder.run("none", "tfidf-logistic", 0, value=0.70, arm=0.02, seconds=1)
    folder.run("large", ENCODER, 0, value=0.88, arm=0.05, seconds=20)
    folder.run("large", "lora", 1, value=0.90, arm=0.05, seconds=100)

    text = sentence(folder)

    assert "take large as untuned encoder + logistic regression: auroc 0.880" in text
    assert "There is no evidence that a fine-tuned model does better here." in text
    assert "It beats TF-IDF + logistic regression" in text
    assert "With one seed" not in text


def test_a_learning_curve_is_held_against_baselines_of_its_own_size(folder: Any) -> None:
    for total, untuned in ((16, 0.60), (64, 0.70)):
        subset = {"subset": {"total": total}}
        folder.run("large", ENCODER, 0, value=untuned, arm=0.02, seconds=20, train=subset)
        folder.run("large", "lora", 1, value=untuned + 0.2, arm=0.02, seconds=100, train=subset)

    text = sentence(folder)

    assert "the same model untuned (0.700 [0.680, 0.720]) by 0.200" in text
    assert "0.600" not in text


def test_it_counts_among_no_methods(study: Any) -> None:
    loaded = load([study.root])
    results = aggregate(loaded)
    shown = page(loaded, results, {})
    (task,) = shown.tasks
    found = configurations(selected(loaded, {}))

    assert [entry.row.method for entry in entries(found, results)] == ["lora", "lora"]
    assert matched([row for row in results.rows if row.split == "validation"]) == []
    names = {view.row.runs: view.name for view in task.rows}
    assert "large as untuned encoder + logistic regression" in names.values()
    assert "One seed only" in " ".join(results.warnings), "of the tuned ones"


def test_the_page_names_it_a_baseline_with_its_model(study: Any) -> None:
    text = write_report([study.root], study.root / "report").read_text(encoding="utf-8")

    assert "<b>large</b><small>untuned encoder + logistic regression, baseline</small>" in text
    assert "What tuning adds is what a tuned model does better." in text
