"""A run in another process finds its study again, trains to the same bytes, and refuses another study's data."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from clinpeft.errors import BadInput, EnvironmentStop, GateRefused
from clinpeft.launchers.base import Ended, Function, Launcher, Lost
from clinpeft.launchers.pool import Pool
from clinpeft.runs import worker
from clinpeft.runs.find import find
from clinpeft.runs.grid import plan

if TYPE_CHECKING:
    from tests.conftest import Small


class Recorded(Launcher):
    """Does nothing and tells what it was asked to do."""

    title: ClassVar[str] = "for tests"

    def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
        JOBS.extend(jobs)
        for number in range(len(jobs)):
            yield Ended(number, lost=Lost("node_lost", "the node is gone"))


JOBS: list[Any] = []


@pytest.fixture
def jobs(small: Small) -> list[dict[str, Any]]:
    """The jobs of a study none of whose runs has been done; each is recorded as lost."""
    JOBS.clear()
    small.run(launcher=Recorded())
    shutil.rmtree(small.out / "runs")
    return list(JOBS)


def results(small: Small) -> dict[str, bytes]:
    """Weights and predictions of every run, by path."""
    return {name: data for name, data in small.content("runs").items() if not name.endswith(".json")}


def test_the_same_study_trains_to_the_same_bytes_in_other_processes(small: Small, tmp_path: Path) -> None:
    small.write(methods=["lora"], baselines=[], seeds=[1, 2])
    small.run()
    shutil.copytree(small.folder, tmp_path / "again", symlinks=True)
    again = type(small)(tmp_path / "again")
    shutil.rmtree(again.out / "runs")
    outcome = again.run(launcher=Pool(workers=2))

    assert (outcome.num_trained, outcome.num_failed) == (2, 0)
    assert sum(name.endswith(".safetensors") for name in results(small)) >= 2
    assert results(again) == results(small)
    assert {record.environment.threads for record in again.store.records() if record.environment} == {1}


def test_a_run_that_is_lost_with_its_machine_is_a_record_that_says_so(small: Small) -> None:
    outcome = small.run(launcher=Recorded())

    assert (outcome.num_trained, outcome.num_failed) == (3, 3)
    record = small.records()["bitfit"]
    assert record.reason is not None
    assert (record.status, record.reason.code, record.reason.message) == ("failed", "node_lost", "the node is gone")
    assert small.run(launcher=Recorded(), retry_failed=False).num_trained == 0


def test_a_job_is_plain_and_names_the_study_by_its_folder(jobs: list[dict[str, Any]], small: Small) -> None:
    assert [job["spec"]["method"]["name"] for job in jobs] == ["majority", "head-only", "bitfit"]
    assert jobs[0]["place"] == {
        "folder": str(small.out),
        "study": small.store.study.sha256(),
        "base": str(small.folder),
        "data": [],
        "datasets": {"outcome": "datasets/outcome"},
        "models": ["tiny"],
    }


def test_a_run_is_carried_out_from_its_job_alone(jobs: list[dict[str, Any]], small: Small) -> None:
    worker.work_off(jobs[0])

    assert [record.status for record in small.store.records()] == ["success"]


def test_the_plan_is_read_once_for_the_runs_of_a_study(
    jobs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, times = worker._read, []
    monkeypatch.setattr(worker, "_read", lambda place: times.append(place) or read(place))
    monkeypatch.setattr(worker, "DESK", worker.Desk())
    for job in (jobs[0], jobs[0]):
        worker.work_off(job)

    assert len(times) == 1


def test_a_run_in_the_planning_process_reads_no_plan(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_read", lambda _: pytest.fail("the plan was read again"))

    assert small.run().num_trained == 3


def test_a_run_of_another_plan_is_refused(jobs: list[dict[str, Any]], small: Small) -> None:
    other = {**jobs[0], "run": "0123456789abcdef"}

    with pytest.raises(BadInput, match="run 0123456789abcdef: the data, the weights or the version of clinpeft here"):
        worker.work_off(other)
    assert small.store.runs() == []


def test_changed_data_are_refused(jobs: list[dict[str, Any]], small: Small) -> None:
    path = small.out / "datasets" / "outcome" / "train.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(GateRefused, match=r"train\.parquet: has changed since it was built"):
        worker.work_off(jobs[0])


def test_other_weights_are_refused(jobs: list[dict[str, Any]], small: Small, tiny_model: Path) -> None:
    (small.folder / "tiny").unlink()
    shutil.copytree(tiny_model, small.folder / "tiny")
    path = small.folder / "tiny" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(BadInput, match="the weights"):
        worker.work_off(jobs[1])


def test_a_study_that_was_edited_meanwhile_keeps_the_version_that_was_planned(
    jobs: list[dict[str, Any]], small: Small
) -> None:
    (small.out / "study.yaml").write_text("name: another\n", encoding="utf-8")
    worker.work_off(jobs[0])

    assert len(small.store.runs()) == 1


def test_a_version_of_the_study_that_was_changed_is_refused(jobs: list[dict[str, Any]], small: Small) -> None:
    [version] = small.out.glob("study-*.yaml")
    version.write_text(version.read_text(encoding="utf-8").replace("bitfit", "full"), encoding="utf-8")

    with pytest.raises(BadInput, match="its study is another than the one that was planned"):
        worker.work_off(jobs[0])


def test_what_stops_one_worker_stops_the_study_with_its_own_words(small: Small) -> None:
    """The folder of the model goes away between planning and the run."""

    class Robbed(Pool):
        title: ClassVar[str] = "for tests"

        def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
            (small.folder / "tiny").unlink()
            return super().map(function, jobs)

    with pytest.raises(BadInput) as error:
        small.run(launcher=Robbed(workers=1))
    assert "tiny" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_disk_that_is_full_for_a_worker_stops_the_study_resumably(small: Small) -> None:
    class Full(Launcher):
        title: ClassVar[str] = "for tests"

        def map(self, function: Function, jobs: Sequence[Any]) -> Generator[Ended, None, None]:
            yield from ()
            raise EnvironmentStop("/: the disk is full")

    with pytest.raises(EnvironmentStop):
        small.run(launcher=Full())
    assert small.run().num_trained == 3


def test_the_plan_of_a_worker_is_that_of_the_study(jobs: list[dict[str, Any]], small: Small) -> None:
    whole = plan(find(small.store.study, small.folder, (), small.out))
    read = worker._read(worker.place_of(small.store, whole, small.folder, ()))

    assert (read.study, read.models, read.metrics) == (whole.study, whole.models, whole.metrics)
    assert {name: one.card for name, one in read.datasets.items()} == {
        name: one.card for name, one in whole.datasets.items()
    }
