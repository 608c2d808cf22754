"""A trial that is behind goes no further: Optuna's successive halving decides, the same wherever and however often."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.frozen import parse
from clinpeft.launchers.base import launcher_of
from clinpeft.runs.budget import Purse
from clinpeft.runs.grid import PlannedRun, Rival
from clinpeft.runs.halving import is_behind
from clinpeft.runs.worker import Place, RunJob, job_of
from clinpeft.spec import Budget, Halving, Study

if TYPE_CHECKING:
    from tests.conftest import Said, Small

    from clinpeft.record import RunRecord

HALVES, THIRDS = Halving(epochs=1, factor=2), Halving(epochs=1, factor=3)
METHODS = ["bitfit", {"name": "lora", "r": 4}]
TUNE = {"trials": 4, "learning_rate": [1e-6, 1e-1], "halving": {"epochs": 1, "factor": 2}}
TRAIN = {"epochs": 4, "batch_size": 8, "early_stopping_patience": None, "judge": {"metric": "log-loss"}}
"""The log loss of two trials is hardly ever the same."""


def whole(*scores: float | None) -> Rival:
    return Rival(scores=scores, is_whole=True)


def stopped(*scores: float | None) -> Rival:
    return Rival(scores=scores, is_whole=False)


@pytest.fixture(scope="module")
def _halved_once(_trained_once: Small, tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("halved") / "small"
    shutil.copytree(_trained_once.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("out"))
    study = type(_trained_once)(folder)
    study.write(methods=METHODS, baselines=[], tune=TUNE, train=TRAIN)
    study.run()
    return study


@pytest.fixture
def halved(_halved_once: Small, tmp_path: Path) -> Small:
    """A copy of a study whose searches have stopped trials early."""
    shutil.copytree(_halved_once.folder, tmp_path / "small", symlinks=True)
    return type(_halved_once)(tmp_path / "small")


def trials(study: Small) -> list[RunRecord]:
    return [record for record in study.store.records() if record.role == "trial"]


def told(study: Small) -> dict[str, Any]:
    """What became of every run, and when, without what time it took."""
    kept = {"status", "scores", "work", "spec"}
    return {record.run: record.model_dump(mode="json", include=kept) for record in study.store.records()}


@pytest.mark.parametrize(
    ("halving", "rivals", "scores", "is_so"),
    [
        (HALVES, (), (0.1,), False),
        # The better half of two is one.
        (HALVES, (whole(0.5, 0.6),), (0.4,), True),
        (HALVES, (whole(0.5, 0.6),), (0.5,), False),
        # Of three it is still one, of four two.
        (HALVES, (whole(0.5), stopped(0.3)), (0.4,), True),
        (HALVES, (whole(0.5), stopped(0.3), stopped(0.2)), (0.4,), False),
        # Of five, a third is one.
        (THIRDS, (whole(0.5), stopped(0.3), stopped(0.2), stopped(0.1)), (0.4,), True),
        # Compared after epochs 1, 2 and 4, with the best until then; one that ended by itself keeps it.
        (HALVES, (whole(0.5, 0.6, 0.7, 0.8),), (0.5, 0.55), True),
        (HALVES, (whole(0.5, 0.6, 0.7, 0.8),), (0.5, 0.6, 0.1), False),
        (HALVES, (whole(0.5, 0.6, 0.7, 0.8),), (0.9, 0.1), False),
        (HALVES, (whole(0.5, 0.6),), (0.5, 0.6, 0.6, 0.6), False),
        (HALVES, (whole(0.5, 0.6),), (0.5, 0.6, 0.5, 0.5), False),
        (HALVES, (whole(0.5, 0.6), whole(0.5, 0.6), whole(0.5, 0.5, 0.7, 0.8)), (0.5, 0.6, 0.6, 0.6), False),
        # One that was stopped counts only as far as it came; what has no score yet goes on.
        (HALVES, (stopped(0.5, 0.6),), (0.5, 0.6, 0.6, 0.6), False),
        (HALVES, (whole(0.5),), (None,), False),
    ],
)
def test_a_trial_is_stopped_when_it_is_not_among_the_better_part(
    halving: Halving, rivals: tuple[Rival, ...], scores: tuple[float | None, ...], is_so: bool
) -> None:
    assert is_behind(halving, rivals, scores) is is_so


def test_the_first_trial_is_compared_with_none_and_later_ones_are_stopped_after_a_rung(halved: Small) -> None:
    pruned = [record for record in trials(halved) if record.status == "pruned"]

    assert len(trials(halved)) == 8
    assert pruned
    for record in pruned:
        # 30 training texts in batches of 8; compared after epochs 1 and 2.
        assert record.work is not None
        assert record.work.steps in {4, 8}
    ended = [record for record in trials(halved) if record.status == "success"]
    assert {record.work.steps for record in ended if record.work} == {16}
    for records in (pruned, ended):
        assert {record.spec.method.name for record in records} == {"bitfit", "lora"}


def test_a_trial_that_was_stopped_is_no_failure_and_never_the_best(halved: Small) -> None:
    for record in trials(halved):
        if record.status == "pruned":
            assert {name: score.value for name, score in record.scores.items()} == {"auroc": None}
            assert record.cost["train_seconds"].value
            assert record.files.keys() == {"curve.json"}
    chosen = {
        (record.spec.method.name, record.spec.train.learning_rate)
        for record in halved.store.records()
        if record.role == "final"
    }
    ended = {
        (record.spec.method.name, record.spec.train.learning_rate)
        for record in trials(halved)
        if record.status == "success"
    }
    assert chosen <= ended
    results = api.results(halved.out)
    assert results.failures == ()
    assert all(row.num_failed == 0 for row in results.rows)


def test_status_and_report_say_how_many_were_stopped(clinpeft: Callable[..., Said], halved: Small) -> None:
    number = sum(record.status == "pruned" for record in trials(halved))
    said = clinpeft("status", halved.out)

    assert f"{number} trial{'s' * (number > 1)} stopped early by successive halving" in said.out
    assert f", {number} pruned," in f", {said.out.splitlines()[-1]},"
    (warning,) = [warning for warning in api.results(halved.out).warnings if "successive halving" in warning]
    assert warning.startswith(f"{number} of 8 trials were stopped early")
    assert not [warning for warning in api.results(halved.out).warnings if "did not succeed" in warning]
    assert "pruned" in (halved.out / "report" / "index.html").read_text()


@pytest.mark.parametrize("retry_failed", [False, True])
def test_a_trial_that_was_stopped_is_never_trained_again(
    halved: Small, monkeypatch: pytest.MonkeyPatch, retry_failed: bool
) -> None:
    monkeypatch.setattr("clinpeft.runs.work.execute", lambda *_: pytest.fail("a run was trained"))

    assert halved.run(retry_failed=retry_failed).num_trained == 0


def test_a_search_that_lost_records_comes_to_the_same_decisions(halved: Small) -> None:
    before = told(halved)
    lost = [record.run for record in trials(halved) if record.spec.method.name == "bitfit"][::2]
    for run in lost:
        halved.store.forget(run)
    halved.run()

    assert told(halved) == before


def test_a_damaged_curve_is_no_ground_for_a_decision(halved: Small) -> None:
    before = told(halved)
    victim = next(record.run for record in trials(halved) if record.status == "pruned")
    curve = halved.store.run_folder(victim) / "curve.json"
    curve.write_text(curve.read_text().replace('"score": -0', '"score": -9'))
    halved.run()

    assert told(halved) == before
    assert halved.store.is_sound(victim)


def test_what_a_trial_is_compared_with_travels_with_it(halved: Small) -> None:
    rivals = (whole(0.5, None), stopped(0.25))
    place = Place(folder="/study", study="0" * 64, base="/", data=(), datasets={}, models=())
    record = trials(halved)[0]
    run = PlannedRun(record.run, "trial", record.spec, record.identity, rivals)

    assert parse(RunJob, json.loads(json.dumps(job_of(run, place))), "job").rivals == rivals


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pool", "ray"])
def test_by_every_launcher_the_decisions_are_the_same(halved: Small, name: str) -> None:
    if name == "ray" and find_spec("ray") is None:  # Looked for only: our launcher must be the one that imports it.
        pytest.skip("needs Ray")
    before = told(halved)
    shutil.rmtree(halved.out)
    halved.run(launcher=launcher_of(name, {"workers": "2"} if name == "pool" else {}))

    assert told(halved) == before


def test_without_halving_the_stopped_trials_are_trained_to_their_end(halved: Small) -> None:
    halved.write(methods=METHODS, baselines=[], tune={**TUNE, "halving": None}, train=TRAIN)
    halved.run()

    planned = {row["run"] for row in halved.store.index.rows() if row["role"] == "trial"}
    assert {record.status for record in trials(halved) if record.run in planned} == {"success"}


def test_what_stopped_trials_took_counts_towards_a_budget(halved: Small) -> None:
    purse = Purse(Budget(hours=1))
    purse.add([record for record in trials(halved) if record.status == "pruned"])

    assert purse.seconds > 0


def test_a_budget_that_is_used_up_is_told_by_status(clinpeft: Callable[..., Said], small: Small) -> None:
    small.write(budget={"hours": 1e-9}, methods=["head-only", "bitfit"], baselines=[])
    small.run()

    assert "the budget of 1e-09 hours is used up: 1 left out" in clinpeft("status", small.out).out
    assert json.loads(clinpeft("status", small.out, "--json").out)["budget_reached"] == "1e-09 hours"


def test_folds_are_refused_before_anything_is_trained(small: Small) -> None:
    small.write(methods=["bitfit"], tune=TUNE, train=TRAIN, task={"split": {"folds": 2}})

    with pytest.raises(BadInput, match="each is one run a fold"):
        small.run()
    assert not (small.out / "study.yaml").exists()


def test_two_searches_that_would_share_trials_are_refused(small: Small) -> None:
    small.write(methods=["lora", {"name": "lora", "r": 4}], tune=TUNE, train=TRAIN)

    with pytest.raises(BadInput, match="only in what is searched anyway"):
        small.run()


def test_a_rung_that_no_run_reaches_is_refused() -> None:
    text = "name: s\ntasks: [rqe]\nmodels: [minilm-l6]\nmethods: [lora]\ntune: {trials: 2, halving: {epochs: 5}}"

    with pytest.raises(BadInput, match="is 5: no trial would be stopped early"):
        Study.from_yaml(text)
