"""A study that runs again trains only what is missing, and whatever stops it, the same command goes on."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import torch

from clinpeft import api
from clinpeft.errors import BadInput, EnvironmentStop, GateRefused
from clinpeft.runs import setup
from clinpeft.runs.sweep import open_test_labels
from clinpeft.sources.rqe import TEST, TRAIN

if TYPE_CHECKING:
    from tests.conftest import Small

PREDICTIONS = ("predictions-validation.parquet", "predictions-test.parquet")
NEVER_FITS = {"name": "full", "learning_rate": 1e9}


def stamps(small: Small) -> dict[str, int]:
    """When the record of each run was written."""
    return {run: (small.store.run_folder(run) / "record.json").stat().st_mtime_ns for run in small.store.runs()}


def events(small: Small) -> Counter[str]:
    return Counter(event.event for event in small.store.journal.events())


def predictions(small: Small) -> dict[str, bytes]:
    """Every prediction file, by run and name."""
    return {name: data for name, data in small.content("runs").items() if name.endswith(PREDICTIONS)}


def test_a_study_leaves_a_record_a_row_of_the_index_and_a_report(trained: Small) -> None:
    names = set(trained.content())

    assert {"study.yaml", "journal.jsonl", "index.csv", "cards/outcome.json", "models/tiny.json"} <= names
    assert {"report/index.html", "report/results.csv", "report/results.json"} <= names
    assert [record.status for record in trained.store.records()] == ["success"] * 3
    assert events(trained) == {"planned": 3, "leased": 3, "started": 3, "finished": 3}


def test_a_second_run_trains_nothing_and_changes_no_byte_but_the_journals_noop_line(
    trained: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trained.content()
    monkeypatch.setattr("clinpeft.runs.work.execute", lambda *_: pytest.fail("a run was trained"))
    outcome = trained.run()
    after = trained.content()

    assert (outcome.num_trained, outcome.num_kept, outcome.num_failed) == (0, 3, 0)
    old, new = before.pop("journal.jsonl"), after.pop("journal.jsonl")
    assert after == before
    assert new.startswith(old)
    assert new.removeprefix(old).count(b"\n") == 1
    assert b'"event": "noop"' in new.removeprefix(old)


def test_a_file_that_was_only_touched_is_not_trained_on_again(trained: Small) -> None:
    for path in (trained.folder / "notes.csv", trained.file, *trained.out.rglob("*.parquet")):
        os.utime(path, (1, 1))

    assert trained.run().num_trained == 0


def test_a_list_item_that_is_added_runs_only_what_is_new(trained: Small) -> None:
    before = stamps(trained)
    trained.write(methods=["head-only", "bitfit", "full"], seeds=[1, 2])

    assert trained.run().num_trained == 4
    assert {run: stamp for run, stamp in stamps(trained).items() if run in before} == before


def test_an_edited_item_is_a_new_run_and_the_old_one_stays(trained: Small) -> None:
    before = stamps(trained)
    trained.write(methods=["head-only", {"name": "bitfit", "learning_rate": 1e-2}])

    assert trained.run().num_trained == 1
    assert before.items() < stamps(trained).items()
    assert sorted(record.spec.train.learning_rate for record in trained.store.records()) == [1e-3, 4e-3, 1e-2, 1.0]


def test_every_version_of_the_study_is_kept(trained: Small) -> None:
    for seeds in ([1, 2], [1, 2, 3], [1]):
        trained.write(seeds=seeds, baselines=[], methods=["head-only"])
        trained.run()

    versions = [path.name for path in trained.out.glob("study-*.yaml")]
    assert len(versions) == 4
    assert trained.store.study.seeds == (1,)


def test_a_choice_of_another_metric_trains_again_because_it_picks_the_epoch(trained: Small) -> None:
    shutil.copytree(trained.out / "datasets", trained.folder / "data")
    for metric in (None, "f1"):
        task = {"name": "outcome"} if metric is None else {"name": "outcome", "metric": metric}
        trained.write(tasks=[task], data=["data"])
        trained.run()

    assert {next(iter(record.scores)) for record in trained.store.records()} == {"f1"}
    assert trained.run().num_trained == 0


def test_a_failure_is_a_record_and_the_study_goes_on(small: Small) -> None:
    small.write(methods=[NEVER_FITS, "head-only"], train={"epochs": 5})
    outcome = small.run()
    records = small.records()

    assert (outcome.num_trained, outcome.num_failed) == (3, 1)
    assert records["full"].status == "diverged"
    assert records["full"].reason is not None
    assert records["full"].reason.code == "diverged"
    assert records["full"].files == {}
    assert [path.name for path in small.run_folder("full").iterdir()] == ["record.json"]
    assert records["head-only"].status == "success"
    assert events(small)["failed"] == 1
    assert [failure.run for failure in api.results(small.out).failures] == [records["full"].run]


def test_a_mistake_in_the_code_is_a_record_that_says_where_and_quotes_nothing(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("zqxcanary stands in the message")

    monkeypatch.setattr(setup, "load", broken)
    small.write(methods=["head-only"])

    assert small.run().num_failed == 1
    record = small.records()["head-only"]
    assert record.reason is not None
    assert (record.status, record.reason.code) == ("failed", "bug")
    assert record.reason.message.startswith("ValueError in ")
    assert "zqx" not in record.reason.message


@pytest.mark.parametrize(("error", "code"), [(MemoryError, "oom_host"), (torch.OutOfMemoryError, "oom_device")])
def test_running_out_of_memory_is_a_record_of_its_own(
    small: Small, monkeypatch: pytest.MonkeyPatch, error: type[Exception], code: str
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(setup, "load", full)
    small.write(methods=["head-only"])
    small.run()

    record = small.records()["head-only"]
    assert record.reason is not None
    assert (record.status, record.reason.code) == ("out_of_memory", code)


class RustError(Exception):
    """As safetensors raises it: the number of the system's error stands in its text only."""


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RustError("I/O error: no space (os error 28)")]
)
def test_a_full_disk_stops_the_study_without_a_record_and_the_same_command_goes_on(
    small: Small, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(setup, "load", full)
        with pytest.raises(EnvironmentStop, match=r"runs: the disk is full \([0-9,]+ bytes free\)"):
            small.run()

    assert [record.spec.method.name for record in small.store.records()] == ["majority"]
    assert not list(small.out.rglob("*.tmp-*"))
    assert small.run().num_trained == 2


def test_a_failure_is_passed_by_unless_it_is_to_be_retried(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError

    small.write(methods=["head-only", "bitfit"])
    with monkeypatch.context() as patch:
        patch.setattr(setup, "load", broken)
        small.run()
    again, retried = small.run(), small.run(retry_failed=True)

    assert (again.num_trained, again.num_failed) == (0, 2)
    assert (retried.num_trained, retried.num_kept, retried.num_failed) == (2, 1, 0)
    assert small.run(retry_failed=True).num_trained == 0


@pytest.mark.parametrize("name", ["predictions-validation.parquet", "adapter/head.safetensors", "record.json"])
def test_a_finished_run_with_a_damaged_file_is_trained_again(trained: Small, name: str) -> None:
    before, whole = stamps(trained), predictions(trained)
    path = trained.run_folder("bitfit") / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x80
    path.write_bytes(data)

    assert trained.run().num_trained == 1
    again = stamps(trained)
    assert [run for run in before if again[run] != before[run]] == [trained.records()["bitfit"].run]
    assert predictions(trained) == whole


def test_with_only_the_rest_is_left_for_later(small: Small) -> None:
    assert small.run(only={"method": "bitfit"}).num_trained == 1
    assert [row["status"] for row in small.store.index.rows()] == ["planned", "planned", "success"]
    assert small.run().num_trained == 2


def test_a_word_of_only_that_fits_nothing_leaves_no_folder(small: Small) -> None:
    with pytest.raises(BadInput, match="no run of the study fits"):
        small.run(only={"method": "lora"})

    assert not small.out.exists()


def test_a_fold_that_is_none_is_noticed_when_the_dataset_is_built_and_leaves_no_folder(small: Small) -> None:
    with pytest.raises(BadInput, match="no run of the study fits"):
        small.run(only={"fold": "3"})

    assert not small.out.exists()


@pytest.fixture
def several(small: Small, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A packaged folder `several` with two studies; the folder that they are packaged in."""
    folder = small.folder / "several"
    folder.mkdir()
    for name, method in (("first", "head-only"), ("second", "bitfit")):
        small.write(name=name, methods=[method], models=["../tiny"], task={"files": {"data": "../notes.csv"}})
        small.file.rename(folder / f"{name}.yaml")
    monkeypatch.setattr("clinpeft.studies.FOLDER", small.folder)
    return folder


def test_the_studies_of_a_packaged_folder_run_side_by_side_into_one_report(small: Small, several: Path) -> None:
    outcome = api.run("several", small.out)

    assert outcome.num_trained == 4
    assert outcome.parts == (small.out / "first", small.out / "second")
    assert {row.method for row in api.results(*outcome.parts).rows} == {"majority", "head-only", "bitfit"}
    assert (small.out / "report" / "index.html").is_file()
    assert api.run("several", small.out).num_trained == 0


def test_a_study_of_a_packaged_folder_without_such_a_run_is_passed_by(small: Small, several: Path) -> None:
    assert api.run("several", small.out, only={"method": "bitfit"}).parts == (small.out / "second",)
    with pytest.raises(BadInput, match="no run of the study fits"):
        api.run("several", small.out, only={"method": "lora"})


def test_of_a_packaged_folder_nothing_is_trained_when_a_later_study_is_broken(small: Small, several: Path) -> None:
    path = several / "second.yaml"
    path.write_text(path.read_text().replace("bitfit", "bitfoot"))

    with pytest.raises(BadInput, match="did you mean 'bitfit'"):
        api.run("several", small.out)
    assert not small.out.exists()


def test_folds_are_pooled_and_every_example_beside_test_is_predicted_once(small: Small) -> None:
    small.write(task={"split": {"folds": 3}}, methods=["head-only"], seeds=[1, 2], baselines=[])
    small.run()
    pool = [example.example for example in small.datasets()["outcome"].examples("train")]

    for seed in (1, 2):
        records = [record for record in small.store.records() if record.spec.seed == seed]
        assert sorted(record.spec.fold or 0 for record in records) == [0, 1, 2]
        files = [small.store.run_folder(record.run) / PREDICTIONS[0] for record in records]
        predicted = [name for file in files for name in pq.read_table(file).column("example").to_pylist()]
        assert sorted(predicted) == sorted(pool)
    row = api.results(small.out).rows[0]
    assert (row.num_seeds, row.num_folds, len(row.runs)) == (2, 3, 6)


def test_a_fold_that_is_missing_leaves_its_seed_without_a_value(small: Small) -> None:
    small.write(task={"split": {"folds": 2}}, methods=["head-only"], baselines=[])
    small.run(only={"fold": "0"})
    row = api.results(small.out).rows[0]

    assert (row.mean, row.num_failed) == (None, 1)


def test_a_moved_study_resumes_reports_and_opens_its_test_labels(trained: Small, tmp_path: Path) -> None:
    moved = trained.moved_to(tmp_path / "elsewhere")

    assert moved.run().num_trained == 0
    assert moved.store.index.rows()
    assert api.results(moved.out).rows
    assert open_test_labels(moved.out) == (3, 1)


def test_only_the_datasets_hold_text_and_nothing_is_pickled(trained: Small) -> None:
    open_test_labels(trained.out)
    trained.run()
    text = [b"zqxcanary", b"presents with"]
    plain = {".json", ".jsonl", ".yaml", ".csv", ".html", ".parquet", ".safetensors"}

    for name, data in trained.content().items():
        if name.endswith(".parquet"):
            data += str(pq.read_table(trained.out / name).to_pydict()).encode()
        holds_text = name.startswith("datasets/") and name.endswith(".parquet")
        assert [word for word in text if word in data] == (text if holds_text else []), name
        assert b"MRN-0" not in data, name
        assert Path(name).suffix in plain or name in {".lock", ".secret"}, f"{name} may be a pickle"


def test_everything_is_for_the_owner_only_whatever_the_umask(small: Small) -> None:
    before = os.umask(0)
    try:
        small.write(methods=["head-only"])
        small.run()
    finally:
        os.umask(before)

    open_to_others = [path for path in (small.out, *small.out.rglob("*")) if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_no_file_of_a_study_names_a_place_of_this_machine(trained: Small) -> None:
    places = [str(trained.folder), str((trained.folder / "tiny").resolve()), sys.prefix, str(Path.home()) + "/"]

    for name, data in trained.content().items():
        assert [place for place in places if place.encode() in data] == [], name


def test_a_dataset_built_from_raw_files_is_built_alike_again_and_found_without_them(small: Small) -> None:
    raw = small.folder / "raw"
    write_question_pairs(raw / "rqe")
    small.write(tasks=["rqe"], methods=["head-only"])
    with pytest.raises(BadInput, match="nor raw files of source 'rqe' were found"):
        small.run()
    first = small.run(data=raw)
    before = small.content("datasets")
    second = small.run(data=[raw])
    after = small.content("datasets")
    shutil.rmtree(raw)

    assert (first.num_trained, second.num_trained, small.run().num_trained) == (2, 0, 0)
    assert after == before == small.content("datasets")


def write_question_pairs(folder: Path) -> None:
    """Both files of RQE with pairs that tell their value."""
    folder.mkdir(parents=True)
    for name, number in ((TRAIN, 40), (TEST, 10)):
        pairs = [
            f'<pair pid="{one}" type="t" value="{str(one % 2 == 0).lower()}">'
            f"<chq>Pain of {name[4:8]} {one}?</chq><faq>{'Pain' if one % 2 == 0 else 'Fever'} {one}?</faq></pair>"
            for one in range(number)
        ]
        (folder / name).write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<RQE>{"".join(pairs)}</RQE>\n')


def test_a_damaged_journal_stops_the_study_before_anything_is_trained(trained: Small) -> None:
    journal = trained.out / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"n": 3', b'"n": 7'))
    trained.write(seeds=[1, 2])

    with pytest.raises(GateRefused, match="line 4 is damaged"):
        trained.run()
    assert len(trained.store.runs()) == 3


def start(small: Small, program: tuple[str, ...] = ("-m", "clinpeft.cli")) -> subprocess.Popen[str]:
    command = [sys.executable, *program, "run", str(small.file), "--out", str(small.out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def wait_for(process: subprocess.Popen[str], word: str) -> list[str]:
    """The lines of stderr up to the first that holds `word`."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if word in line:
            return lines
    raise AssertionError(f"the process ended before it said {word!r}: {lines}")


def uninterrupted(small: Small) -> Small:
    """The same study, with the same secret, trained in one go in another folder."""
    folder = small.folder.with_name("uninterrupted")
    shutil.copytree(small.folder, folder, symlinks=True)
    twin: Small = type(small)(folder)
    shutil.rmtree(twin.out / "runs")
    (twin.out / "journal.jsonl").unlink()
    twin.run()
    return twin


def test_a_killed_study_goes_on_and_ends_like_one_that_was_not(small: Small) -> None:
    small.write(methods=["head-only", "bitfit", "full", "lora"])
    with start(small) as process:
        wait_for(process, "[2/5]")
        process.kill()
    finished = stamps(small)
    events_when_killed = events(small)
    outcome = small.run()

    assert process.returncode == -signal.SIGKILL
    assert 2 <= len(finished) < 5
    assert events_when_killed["started"] >= events_when_killed["finished"]
    assert outcome.num_trained == 5 - len(finished)
    assert finished.items() < stamps(small).items(), "finished runs stay as they are"
    assert not list(small.out.rglob("*.tmp-*"))
    assert predictions(small) == predictions(uninterrupted(small))
    assert len(predictions(small)) == 10


STUBBORN = """
import signal, sys, time, types

def execute(job, folder):
    (folder / "half").write_text("x")
    print("training", file=sys.stderr, flush=True)
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
sys.modules["clinpeft.runs.execute"] = types.SimpleNamespace(Job=types.SimpleNamespace, execute=execute)
from clinpeft.cli import main
main()
"""
"""The command line with a run that takes long and needs no torch."""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_study_says_so_and_leaves_nothing_half_written(
    small: Small, number: signal.Signals, code: int
) -> None:
    with start(small, ("-c", STUBBORN)) as process:
        wait_for(process, "training")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)

    assert process.returncode == code
    assert stderr.endswith("the same command goes on from here\n")
    assert stderr.count("\n") == 1
    assert small.store.runs() == []
    assert not list(small.out.rglob("*.tmp-*"))
    assert events(small) == {"planned": 3, "leased": 1, "started": 1}
    assert small.run().num_trained == 3


@pytest.mark.slow
def test_a_study_killed_at_random_until_it_is_done_ends_like_one_that_was_not(small: Small) -> None:
    chance = random.Random(0)
    small.write(methods=["head-only", "bitfit", "full", "lora", "ia3"], seeds=[1, 2, 3, 4])
    done: dict[str, int] = {}
    for _ in range(60):
        with start(small) as process:
            try:
                process.wait(timeout=chance.uniform(0.5, 9))
                break
            except subprocess.TimeoutExpired:
                process.kill()
        if (small.out / "study.yaml").exists():
            now = stamps(small)
            assert done.items() <= now.items(), "progress never goes back"
            done = now
    else:
        pytest.fail("60 starts did not finish it")

    assert process.returncode == 0
    assert len(small.store.runs()) == 21
    assert not list(small.out.rglob("*.tmp-*"))
    assert predictions(small) == predictions(uninterrupted(small))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_real_training_stops_at_a_signal_and_goes_on(small: Small, number: signal.Signals, code: int) -> None:
    long: dict[str, Any] = {"epochs": 100_000, "early_stopping_patience": None}
    small.write(methods=["head-only"], train=long)
    with start(small) as process:
        wait_for(process, "[1/2]")
        time.sleep(2)
        process.send_signal(number)
        process.communicate(timeout=60)

    assert process.returncode == code
    assert [record.spec.method.name for record in small.store.records()] == ["majority"]
    assert not list(small.out.rglob("*.tmp-*"))
