"""Records of runs: closed, and honest about what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clinpeft.errors import BadInput
from clinpeft.frozen import parse
from clinpeft.record import Event, RunRecord, TestRecord
from clinpeft.spec import run_id

GOLDEN = Path(__file__).parent / "golden" / "schemas"
RECORD: dict[str, Any] = json.loads((GOLDEN / "record.json").read_text())


def refused(**changes: Any) -> str:
    with pytest.raises(BadInput) as caught:
        parse(RunRecord, {**RECORD, **changes}, "record.json")
    return str(caught.value)


def test_a_golden_records_id_is_the_id_of_its_spec_and_identity() -> None:
    record = parse(RunRecord, RECORD, "record.json")

    assert record.run == run_id(record.spec, record.identity)


def test_a_failed_run_needs_only_what_is_known_of_it() -> None:
    failed = parse(
        RunRecord,
        {
            **{key: RECORD[key] for key in ("run", "role", "spec", "identity")},
            "status": "out_of_memory",
            "reason": {"code": "oom_host", "message": "needs 9.1 GB, 4.0 GB are free"},
        },
        "record.json",
    )

    assert failed.scores == {}
    assert failed.parameters is None
    assert failed.environment is None


def test_an_undefined_score_is_null_with_a_reason() -> None:
    undefined = parse(RunRecord, RECORD, "record.json").scores["auprc"]

    assert undefined.value is None
    assert undefined.reason == "only one class present"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": "xyz"}, "'run': String should match pattern"),
        ({"run": "C53027E38362934B"}, "'run': String should match pattern"),
        ({"status": "ok"}, "'status': Input should be 'success', "),
        ({"reason": {"code": "mystery", "message": ""}}, "'reason.code': Input should be 'oom_host', "),
        ({"cost": {"train_second": {"value": 1.0, "how": "measured"}}}, "'cost.train_second': Input should be "),
        ({"cost": {"train_seconds": {"value": 1.0, "how": "guessed"}}}, "'cost.train_seconds.how': Input should be "),
        ({"scores": {"auroc": {"valeu": 1.0}}}, "unknown key 'scores.auroc.valeu' (did you mean 'value'?)"),
        ({"enviroment": {}}, "unknown key 'enviroment' (did you mean 'environment'?)"),
        ({"schema": 2}, "'schema': Input should be 1"),
    ],
)
def test_a_record_that_breaks_its_schema_is_refused_by_the_rule(changes: dict[str, Any], message: str) -> None:
    assert message in refused(**changes)


def test_a_score_of_not_a_number_cannot_be_recorded() -> None:
    assert "holds a value that JSON cannot" in refused(scores={"auroc": {"value": float("nan"), "num_subjects": 1}})


def test_a_test_record_says_when_and_by_whom_it_was_opened() -> None:
    with pytest.raises(BadInput, match="'opened' must not be empty"):
        parse(TestRecord, {"scores": {}, "opened": [], "files": {}}, "test.json")


def test_an_event_of_another_name_is_refused() -> None:
    with pytest.raises(BadInput, match="'event': Input should be 'planned', "):
        parse(Event, {"n": 1, "event": "done", "time": "", "crc32": "00000000"}, "journal.jsonl")
