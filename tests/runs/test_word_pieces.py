"""A study in paper mode trains and scores entities by word pieces, from the raw files to the opened test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from seqeval.metrics import f1_score

from clinpeft import api
from clinpeft.data.build import build_task
from clinpeft.data.dataset import TaskDataset
from clinpeft.runs.sweep import open_test_labels
from clinpeft.runs.test_labels import read_test
from clinpeft.sources.base import SOURCES
from clinpeft.tasks.base import TASKS

if TYPE_CHECKING:
    from tests.conftest import Small

TASK = "i2b2-2010-concepts"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TaskDataset:
    """The invented release, built in paper mode."""
    folder = tmp_path_factory.mktemp("concepts")
    SOURCES.get("i2b2-2010")().synthesize(folder / "raw", num_patients=20, seed=1)
    return build_task(TASKS.get(TASK)(mode="paper"), TASK, folder / "raw", folder / "data")


@pytest.fixture
def opened(small: Small, dataset: TaskDataset) -> Small:
    """A study of that dataset and of a baseline, its test labels opened."""
    small.write(tasks=[TASK], data=[str(dataset.folder.parent)], methods=["full"], train={"max_length": 32})
    assert small.run().num_failed == 0
    open_test_labels(small.out)
    return small


def rows_of(small: Small, method: str, split: str) -> list[dict[str, Any]]:
    return pq.read_table(small.run_folder(method) / f"predictions-{split}.parquet").to_pylist()  # type: ignore[no-any-return]


def test_scores_are_seqevals_over_pieces_with_the_gold_of_each_word_repeated(
    opened: Small, dataset: TaskDataset
) -> None:
    record, test = opened.records()["full"], read_test(opened.run_folder("full"))
    assert test is not None
    for split, scores in (("validation", record.scores), ("test", test.scores)):
        rows = rows_of(opened, "full", split)
        gold = {example.example: example.tags for example in dataset.examples(split)}  # type: ignore[arg-type]
        for row in rows:
            words = zip(gold[row["example"]], row["pieces"], strict=True)
            assert row["tags"] == [tag for tag, count in words for _ in range(count)]
        expected = f1_score([row["tags"] for row in rows], [row["predicted"] for row in rows], zero_division=0)
        assert scores["entity-f1-conlleval"].value == pytest.approx(expected)
        assert any(count > 1 for row in rows for count in row["pieces"])


def test_a_baseline_has_no_word_pieces_and_counts_words(opened: Small, dataset: TaskDataset) -> None:
    gold = {example.example: list(example.tags) for example in dataset.examples("test")}
    rows = rows_of(opened, "majority", "test")

    assert "pieces" not in rows[0]
    assert {row["example"]: row["tags"] for row in rows} == gold


def test_the_report_judges_by_seqevals_own_mode_and_says_what_such_scores_are_good_for(opened: Small) -> None:
    results = api.results(opened.out)

    assert {row.metric for row in results.rows} >= {"entity-f1-conlleval"}
    assert results.recommendations[0].metric == "entity-f1-conlleval"
    assert any("entities are counted over word pieces" in warning for warning in results.warnings)


def test_entities_by_words_are_another_dataset_than_the_same_by_pieces(tmp_path: Path, dataset: TaskDataset) -> None:
    raw = dataset.folder.parents[1] / "raw"
    by_words = build_task(TASKS.get(TASK)(mode="paper", scoring="words"), TASK, raw, tmp_path)

    assert by_words.card.files == dataset.card.files
    assert by_words.card.fingerprint != dataset.card.fingerprint
    assert (by_words.card.metric, dataset.card.metric) == ("entity-f1", "entity-f1-conlleval")
