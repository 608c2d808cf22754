"""Test labels stay closed until they are opened, every opening is noted, and no choice depends on them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from clinpeft import api
from clinpeft.data.dataset import CARD_FILE, TaskDataset
from clinpeft.data.own import import_task
from clinpeft.data.parquet import write_examples
from clinpeft.errors import BadInput
from clinpeft.files import sha256_file
from clinpeft.runs import test_labels
from clinpeft.runs.sweep import open_test_labels
from clinpeft.runs.test_labels import read_test
from clinpeft.spec import Study

if TYPE_CHECKING:
    from tests.conftest import Small

TEST = "predictions-test.parquet"


def splits(small: Small) -> set[str]:
    """The splits that the report has scores of."""
    return {row.split for row in api.results(small.out).rows}


def openings(small: Small) -> int:
    return sum(event.event == "test_opened" for event in small.store.journal.events())


def test_a_sealed_study_has_no_gold_no_scores_and_no_rows_of_test(trained: Small) -> None:
    for run in trained.store.runs():
        folder = trained.store.run_folder(run)
        assert set(pq.read_schema(folder / TEST).names) == {"example", "subject", "truncated", "score_0", "score_1"}
        assert read_test(folder) is None
    assert not list(trained.out.rglob("test.json"))
    assert splits(trained) == {"validation"}
    assert api.results(trained.out).study.test == "sealed"


def test_opening_joins_the_gold_and_scores_every_run_on_test(trained: Small) -> None:
    assert open_test_labels(trained.out) == (3, 1)

    labels = {example.example: example.label for example in trained.datasets()["outcome"].examples("test")}
    for record in trained.store.records():
        folder = trained.store.run_folder(record.run)
        rows = pq.read_table(folder / TEST).to_pylist()
        test = read_test(folder)
        assert {row["example"]: row["label"] for row in rows} == labels
        assert test is not None
        assert list(test.scores) == list(record.scores)
        assert test.scores["accuracy"].num_subjects == len(labels) == 15
    assert splits(trained) == {"validation", "test"}


def test_the_scores_are_those_of_the_file_with_the_thresholds_of_validation(trained: Small) -> None:
    open_test_labels(trained.out)
    folder, record = trained.run_folder("bitfit"), trained.records()["bitfit"]
    test = read_test(folder)
    rows = pq.read_table(folder / TEST).to_pylist()
    said_yes = [row["score_1"] >= record.thresholds["yes"] for row in rows]
    is_yes = [row["label"] == "yes" for row in rows]
    hits = sum(said and is_ for said, is_ in zip(said_yes, is_yes, strict=True))

    assert test is not None
    assert test.scores["f1"].value == pytest.approx(2 * hits / (sum(said_yes) + sum(is_yes)))


def test_an_opened_run_is_sound_and_is_not_trained_again(trained: Small) -> None:
    open_test_labels(trained.out)

    assert all(trained.store.is_sound(run) for run in trained.store.runs())
    assert trained.run().num_trained == 0


def test_opening_again_says_so_and_changes_no_score(trained: Small) -> None:
    open_test_labels(trained.out)
    folder = trained.run_folder("bitfit")
    first, predictions = read_test(folder), (folder / TEST).read_bytes()

    assert open_test_labels(trained.out) == (3, 2)
    second = read_test(folder)
    assert first is not None
    assert second is not None
    assert second.scores == first.scores
    assert (folder / TEST).read_bytes() == predictions
    assert second.opened[:1] == first.opened
    assert len(second.opened) == api.results(trained.out).study.times_opened == openings(trained) == 2


def test_an_opening_is_in_the_journal_before_a_label_is_seen(trained: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clinpeft.runs.sweep.open_test", killed)
    with pytest.raises(KeyboardInterrupt):
        open_test_labels(trained.out)

    assert openings(trained) == 1


def test_who_opened_is_unknown_where_the_machine_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid 1234")

    monkeypatch.setattr(test_labels.getpass, "getuser", nobody)
    assert test_labels.who() == "unknown"


def test_a_study_that_says_open_is_opened_at_the_end_of_its_run_and_only_once(small: Small) -> None:
    small.write(test="open", methods=["head-only"])
    small.run()
    small.run()

    tests = [read_test(small.store.run_folder(run)) for run in small.store.runs()]
    assert [len(test.opened) for test in tests if test] == [1, 1]
    assert openings(small) == 1
    assert api.results(small.out).study.test == "open"


def test_a_run_added_to_an_open_study_is_opened_too(small: Small) -> None:
    small.write(test="open", methods=["head-only"])
    small.run()
    small.write(test="open", methods=["head-only", "bitfit"])
    small.run()

    assert all(read_test(small.store.run_folder(run)) for run in small.store.runs())
    assert openings(small) == 2


def test_a_metric_that_test_leaves_undefined_is_null_with_a_reason(small: Small) -> None:
    lines = (small.folder / "notes.csv").read_text().splitlines()
    positive = [line for line in lines[1:] if line.endswith(",yes")]
    negative = [line for line in lines[1:] if line.endswith(",no")]
    for name, rows in (
        ("train", positive[:10] + negative[:10]),
        ("validation", positive[10:15] + negative[10:15]),
        ("test", negative[15:25]),
    ):
        (small.folder / f"{name}.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    files = {name: f"{name}.csv" for name in ("train", "validation", "test")}
    small.write(test="open", task={"files": files, "split": None})

    assert small.run().num_failed == 0
    test = read_test(small.run_folder("bitfit"))
    assert test is not None
    assert test.scores["auroc"].value is None
    assert test.scores["auroc"].reason
    assert test.scores["accuracy"].value is not None


def test_runs_on_data_that_was_edited_since_are_left_closed(trained: Small) -> None:
    old = trained.store.runs()
    trained.write_notes(66)
    trained.run()

    assert open_test_labels(trained.out) == (3, 1)
    assert [read_test(trained.store.run_folder(run)) for run in old] == [None] * 3


def test_a_dataset_of_another_fingerprint_or_none_opens_nothing(trained: Small, tmp_path: Path) -> None:
    datasets = trained.out / "datasets"
    trained.write_notes(66)
    study = Study.read(trained.file)
    import_task(study.tasks[0], trained.folder, datasets)
    with pytest.raises(BadInput, match="is another dataset than the study's runs were trained on"):
        open_test_labels(trained.out)
    shutil.rmtree(datasets)
    with pytest.raises(BadInput, match="its dataset was not found; name the folder it lies in with --data"):
        open_test_labels(trained.out)

    assert not list(trained.out.rglob("test.json"))
    assert openings(trained) == 0


def test_a_dataset_that_lies_elsewhere_is_named_with_data_or_beside_the_study(small: Small) -> None:
    dataset = _dataset_in(small, small.folder / "data")
    small.write(tasks=["outcome"], methods=["head-only"], data=["data"])
    small.run()
    assert open_test_labels(small.out) == (2, 1)
    moved = small.folder / "elsewhere"
    moved.mkdir()
    shutil.move(dataset.folder, moved)

    assert open_test_labels(small.out, (moved,)) == (2, 2)


def test_a_recommendation_does_not_change_by_a_byte_when_the_test_labels_are_shuffled(small: Small) -> None:
    dataset = _dataset_in(small, small.folder / "data")
    chosen = []
    for shift in (0, 1):
        _turn_test_labels(dataset, shift)
        small.write(tasks=["outcome"], data=["data"], select={"cost": "flops"})
        small.run()
        chosen.append([item.model_dump_json() for item in api.recommendations(small.out)])
        open_test_labels(small.out)
        chosen[-1].append(api.results(small.out).study.test)
        small.out.rename(small.folder / f"out-{shift}")

    assert chosen[0] == chosen[1]
    tests = [api.results(small.folder / f"out-{shift}").rows for shift in (0, 1)]
    on_test = [{row.runs: row.mean for row in rows if (row.split, row.metric) == ("test", "brier")} for rows in tests]
    assert on_test[0] != on_test[1], "the labels were shuffled indeed"


def _dataset_in(small: Small, folder: Path) -> TaskDataset:
    small.write()
    return import_task(Study.read(small.file).tasks[0], small.folder, folder)


def _turn_test_labels(dataset: TaskDataset, shift: int) -> None:
    """Give every test example the label of another, and the card the new file's hash."""
    examples = dataset.examples("test")
    labels = [example.label for example in examples]
    turned = [replace(example, label=labels[number - shift]) for number, example in enumerate(examples)]
    path = dataset.folder / "test.parquet"
    write_examples(path, turned, dataset.card.kind, ())
    card = json.loads((dataset.folder / CARD_FILE).read_text())
    card["files"]["test.parquet"] = sha256_file(path)
    (dataset.folder / CARD_FILE).write_text(json.dumps(card))
