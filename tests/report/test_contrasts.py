"""Configurations are compared on the same subjects and seeds where their predictions are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from clinpeft.report.aggregate import Analysis, analyse, load
from clinpeft.report.contrasts import paired
from clinpeft.report.results import ResultRow

NUM_NOTES = 240
SPLIT = {"method": "user", "by": "subject", "shared_subjects": 0}


def gold() -> np.ndarray:
    return np.arange(NUM_NOTES) % 3 == 0


def columns(scores: np.ndarray, key: str = "s") -> dict[str, list[Any]]:
    """Two notes a subject."""
    return {
        "example": [f"e{place}" for place in range(NUM_NOTES)],
        "subject": [f"{key}{place // 2}" for place in range(NUM_NOTES)],
        "truncated": [False] * NUM_NOTES,
        "score_0": list(1 - scores),
        "score_1": list(scores),
        "label": ["yes" if is_positive else "no" for is_positive in gold()],
    }


def add(
    folder: Any,
    method: str,
    quality: float,
    *,
    seeds: tuple[int, ...] = (1, 2),
    key: str = "s",
    seconds: float = 100.0,
) -> None:
    """Runs of a method: what is hard for one is hard for all; a higher quality only adds a little to the positives."""
    hard = np.random.default_rng(0).standard_normal(NUM_NOTES)
    for seed in seeds:
        own = np.random.default_rng([seed, len(method)]).standard_normal(NUM_NOTES) * 0.05
        scores = 1 / (1 + np.exp(-(hard + own + quality * gold())))
        value = float(roc_auc_score(gold(), scores))
        # Wide intervals, as a single run has them; paired, the noise that all share cancels out.
        record = folder.run("small", method, seed, value, arm=0.08, seconds=seconds)
        folder.predictions(record, columns(scores, key))


def analysis(folder: Any) -> Analysis:
    return analyse(load([folder.root]))


def row_of(found: Analysis, method: str) -> ResultRow:
    return next(row for row in found.results.rows if row.method == method and row.split == "validation")


@pytest.fixture
def two(folder: Any) -> Any:
    """A study in which LoRA is a little better than full tuning on nearly every note."""
    folder.card(split=SPLIT)
    add(folder, "full", 1.0)
    add(folder, "lora", 1.3, seconds=50)
    return folder


def test_a_paired_difference_is_the_difference_of_the_means_and_sharper_than_two_intervals(two: Any) -> None:
    found = analysis(two)
    lora, full = row_of(found, "lora"), row_of(found, "full")
    gap = paired(found.contrasts, lora, full)

    assert gap is not None and gap.low is not None and gap.high is not None
    assert lora.mean is not None and full.mean is not None
    assert gap.value == pytest.approx(lora.mean - full.mean, abs=1e-6)
    assert gap.high - gap.low < 0.08
    assert gap.low > 0


def test_the_recommendation_rests_on_it(two: Any) -> None:
    found = analysis(two).results.recommendations[0]

    # As if independent, ± 0.08 each, the difference of some 0.05 would be noise.
    assert found.verdict == "clear"
    assert "more than noise explains" in found.sentence


def test_a_cheaper_choice_that_is_worse_on_the_same_subjects_is_said_to_be(folder: Any) -> None:
    folder.card(split=SPLIT)
    add(folder, "full", 1.3)
    add(folder, "lora", 1.0, seconds=50)
    found = analysis(folder).results.recommendations[0]

    assert found.choice is not None and found.choice.method == "lora"
    assert found.difference_to_best is not None and (found.difference_to_best.high or 0) < 0
    assert "On the same subjects the best is better by" in found.sentence


def test_the_better_one_stands_on_the_front_in_nearly_every_draw(two: Any) -> None:
    found = analysis(two)

    assert row_of(found, "lora").front_probability == 1
    assert (row_of(found, "full").front_probability or 0) < 0.05


def test_without_kept_predictions_the_cautious_way_remains(folder: Any) -> None:
    folder.card(split=SPLIT)
    add(folder, "full", 1.0)
    add(folder, "lora", 1.3)
    for path in folder.root.glob("runs/*/predictions-validation.parquet"):
        path.unlink()
    found = analysis(folder)

    assert found.contrasts == ()
    assert found.results.recommendations[0].verdict == "within_noise"


def test_predictions_of_other_subjects_are_never_paired(folder: Any) -> None:
    folder.card(split=SPLIT)
    add(folder, "full", 1.0)
    add(folder, "lora", 1.3, key="t")

    assert analysis(folder).contrasts == ()


def test_one_subject_makes_nobody_better(two: Any) -> None:
    for path in two.root.glob("runs/*/predictions-validation.parquet"):
        table = pq.read_table(path)
        alone = table.set_column(table.schema.get_field_index("subject"), "subject", [["s0"] * NUM_NOTES])
        pq.write_table(alone, path)
    found = analysis(two)

    assert found.contrasts == ()
    assert found.results.recommendations[0].verdict == "within_noise"


def test_a_configuration_that_failed_takes_no_part_and_spoils_nothing(two: Any) -> None:
    two.failed("small", "ia3", 1, "diverged", "diverged", "the loss is not finite")
    found = analysis(two)

    assert len(found.contrasts[0].places) == 2
    assert row_of(found, "lora").front_probability == 1
