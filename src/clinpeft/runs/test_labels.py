"""Opening the test labels: the one place where a run's test predictions meet the truth."""

from __future__ import annotations

import getpass
import hashlib
from datetime import UTC, datetime
from pathlib import Path

from clinpeft.data.dataset import TaskDataset
from clinpeft.files import sha256_file, write_atomic
from clinpeft.frozen import parse_json
from clinpeft.metrics.intervals import scores
from clinpeft.metrics.thresholds import with_thresholds
from clinpeft.record import Opened, RunRecord, TestRecord
from clinpeft.runs.predictions import join_gold, read_predictions

TEST_RECORD = "test.json"
TEST_PREDICTIONS = "predictions-test.parquet"


def read_test(folder: Path) -> TestRecord | None:
    """A run's test.json, or None while its test labels are sealed."""
    path = folder / TEST_RECORD
    return parse_json(TestRecord, path.read_bytes(), str(path)) if path.is_file() else None


def open_test(folder: Path, record: RunRecord, dataset: TaskDataset, by: str) -> TestRecord:
    """Score a run on test with the thresholds that validation chose; every opening is noted.

    Writes test.json and joins the gold to predictions-test.parquet, whose hash in test.json takes the place of the
    record's. Opening again only adds a line to `opened`, and joins what a killed process had not joined yet.
    """
    card, path = dataset.card, folder / TEST_PREDICTIONS
    opened: tuple[Opened, ...] = (Opened(when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), by=by),)
    before = read_test(folder)
    if before is not None:
        opened = (*before.opened, *opened)
        if sha256_file(path) == before.files[TEST_PREDICTIONS]:
            return _write(folder, before.model_copy(update={"opened": opened}))
    examples = {example.example: example for example in dataset.examples("test")}
    predictions = with_thresholds(read_predictions(path, examples, card), record.thresholds)
    content = join_gold(path, examples, card)
    results = scores(list(record.scores), predictions)
    digest = hashlib.sha256(content).hexdigest()
    # First test.json: in between, the file is the one that the record names.
    test = _write(folder, TestRecord(scores=results, opened=opened, files={TEST_PREDICTIONS: digest}))
    write_atomic(path, content)
    return test


def who() -> str:
    """The user's name, for the note of who opened."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _write(folder: Path, test: TestRecord) -> TestRecord:
    write_atomic(folder / TEST_RECORD, test.model_dump_json(by_alias=True, indent=1) + "\n")
    return test
