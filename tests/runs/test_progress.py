"""What a person sees on stderr while a study runs."""

from __future__ import annotations

import pytest

from clinpeft.record import Cost, Reason, RunRecord, Score
from clinpeft.runs import progress as module
from clinpeft.runs.grid import PlannedRun
from clinpeft.runs.progress import Progress, Pulse
from clinpeft.spec import Identity, MethodSpec, RunSpec, TrainOptions


def planned(number: int, method: str = "lora", model: str = "tiny") -> PlannedRun:
    train = TrainOptions(learning_rate=1e-3)
    spec = RunSpec(
        task="outcome", kind="classification", model=model, method=MethodSpec(name=method), train=train, seed=1
    )
    identity = Identity(dataset="d", weights_sha256=None, code="1")
    return PlannedRun(f"{number:016x}", "baseline" if model == "none" else "final", spec, identity)


def record(run: PlannedRun, **changes: object) -> RunRecord:
    facts = {"run": run.run, "role": run.role, "status": "success", "spec": run.spec, "identity": run.identity}
    return RunRecord.model_validate({**facts, **changes})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that have passed; a test sets them."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_it_says_how_many_runs_are_left_to_train(capsys: pytest.CaptureFixture[str]) -> None:
    Progress(5, [planned(1), planned(2)])

    assert capsys.readouterr().err == "2 runs to train, 3 done before\n"


def test_nothing_is_said_when_nothing_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    Progress(5, [])

    assert capsys.readouterr() == ("", "")


def test_a_success_shows_its_headline_score_and_training_time(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    runs = [planned(1), planned(2)]
    progress = Progress(2, runs)
    clock[0] = 30.0
    score = Score(value=0.8125, low=0.7, high=0.9, num_subjects=9)
    done = record(runs[0], scores={"auroc": score}, cost={"train_seconds": Cost(value=12.34, how="measured")})
    progress.ended(runs[0], done)

    line = capsys.readouterr().err.splitlines()[-1]
    assert " ".join(line.split()) == "[1/2] outcome · tiny · lora · seed 1 auroc 0.812 12.3 s 30 s left"


def test_a_failure_shows_its_status_and_reason(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    run = planned(1)
    progress = Progress(1, [run])
    clock[0] = 120.0
    progress.ended(run, record(run, status="diverged", reason=Reason(code="diverged", message="loss")))

    assert "diverged: diverged" in (line := capsys.readouterr().err.splitlines()[-1])
    assert line.endswith("2 min in all")


def test_an_undefined_score_is_called_so(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    run = planned(1)
    progress = Progress(1, [run])
    clock[0] = 8000.0
    progress.ended(run, record(run, scores={"auroc": Score(value=None, num_subjects=3, reason="one class")}))

    assert "auroc undefined" in (line := capsys.readouterr().err.splitlines()[-1])
    assert line.endswith("2.2 h in all")


def test_a_baseline_says_little_about_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    runs = [planned(1, "majority", "none"), planned(2, "full"), planned(3)]
    progress = Progress(3, runs)
    clock[0] = 1.0
    progress.ended(runs[0], record(runs[0], scores={"auroc": Score(value=0.5, num_subjects=3)}))

    # A baseline weighs 0.1, full tuning 1.5, another method 1: a second for 0.1 makes 25 for the rest.
    assert capsys.readouterr().err.splitlines()[-1].endswith("25 s left")


def test_on_a_terminal_a_line_lives_while_a_run_trains(
    capsys: pytest.CaptureFixture[str], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    pulse = Pulse("outcome · tiny · lora · seed 1")
    clock[0] = 10.0
    pulse(5, 20, 0.6931, 12_000)
    clock[0] = 10.1
    pulse(6, 20, 0.69, 14_000)

    shown = "  outcome · tiny · lora · seed 1: step 5/20, loss 0.693, 1,200 pieces/s, 30 s left"
    assert capsys.readouterr().err == f"\r\x1b[K{shown}"


def test_the_line_of_an_ended_run_takes_the_place_of_the_living_one(
    capsys: pytest.CaptureFixture[str], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [planned(1)]
    progress = Progress(1, runs)
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    clock[0] = 10.0
    progress.ended(runs[0], record(runs[0], status="diverged", reason=Reason(code="diverged", message="")))

    assert capsys.readouterr().err.split("\n")[1].startswith("\r\x1b[K[1/1] outcome")


def test_nothing_lives_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    pulse = Pulse("outcome")
    clock[0] = 10.0
    pulse(5, 20, 0.6931, 12_000)

    assert capsys.readouterr().err == ""
