"""A study's folder has one writer, holds whole runs only, and is left as it was when a first run is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.record import RunRecord
from clinpeft.runs.store import Store
from clinpeft.spec import Study

if TYPE_CHECKING:
    from tests.conftest import Small


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def study(name: str = "small", seed: int = 1) -> Study:
    return Study.from_yaml(f"{{name: {name}, tasks: [rqe], models: [minilm-l6], methods: [lora], seeds: [{seed}]}}")


def test_a_second_holder_is_stopped_with_a_line_that_names_the_first(tmp_path: Path) -> None:
    with (
        Store(tmp_path / "out").holding(),
        pytest.raises(EnvironmentStop, match=rf"out: the study is running \(.+ process {os.getpid()}\)") as caught,
        Store(tmp_path / "out").holding(),
    ):
        pytest.fail("two hold the folder")

    assert caught.value.exit_code == 3


def test_the_folder_is_free_again_whatever_ended_the_block(tmp_path: Path) -> None:
    for error in (KeyboardInterrupt, SystemExit, ValueError):
        with pytest.raises(error), Store(tmp_path / "out").holding():
            raise error
    with Store(tmp_path / "out").holding():
        assert "process" in (tmp_path / "out" / ".lock").read_text()

    assert (tmp_path / "out" / ".lock").read_bytes() == b"", "no trace of who held it last"


def test_what_is_made_while_holding_is_for_the_owner_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with Store(tmp_path / "deep" / "out").holding():
            (tmp_path / "deep" / "out" / "file").write_text("x")
            (tmp_path / "deep" / "out" / "folder").mkdir()
        assert os.umask(0o022) == 0o022, "the umask is as it was"
    finally:
        os.umask(before)

    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert modes == {
        "deep": 0o700,
        "deep/out": 0o700,
        "deep/out/.lock": 0o600,
        "deep/out/file": 0o600,
        "deep/out/folder": 0o700,
    }


def test_holding_clears_away_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / "runs" / ".0123456789abcdef.tmp-0123456789ab").mkdir(parents=True)
    (tmp_path / ".index.csv.tmp-0123456789ab").write_text("half")

    with Store(tmp_path).holding():
        assert names(tmp_path) == [".lock", "runs"]


def test_what_a_worker_killed_meanwhile_has_left_is_cleared_away_at_the_end(tmp_path: Path) -> None:
    with Store(tmp_path).holding():
        (tmp_path / "runs" / ".0123456789abcdef.tmp-0123456789ab").mkdir(parents=True)
        (tmp_path / "leases").mkdir()
        (tmp_path / "leases" / ".0123456789abcdef.tmp-0123456789ab").write_text("half")

    assert names(tmp_path) == [".lock", "runs"]


def test_a_first_run_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "new" / "deep" / "out"
    with pytest.raises(BadInput), Store(out).holding():
        (out / "datasets" / "outcome").mkdir(parents=True)
        raise BadInput("notes.csv", "is empty")

    assert names(tmp_path) == []


def test_a_first_run_that_is_refused_leaves_an_empty_folder_empty(tmp_path: Path) -> None:
    with pytest.raises(BadInput), Store(tmp_path).holding():
        (tmp_path / "datasets").mkdir()
        raise BadInput("notes.csv", "is empty")

    assert names(tmp_path) == []


def test_a_refused_run_leaves_what_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "mine").write_text("x")
    with pytest.raises(BadInput), Store(tmp_path).holding():
        raise BadInput("notes.csv", "is empty")
    with Store(tmp_path).holding():
        Store(tmp_path).adopt(study())
    with pytest.raises(BadInput), Store(tmp_path).holding():
        raise BadInput("notes.csv", "is empty")

    assert {"datasets/mine", "study.yaml", ".lock"} <= set(names(tmp_path))


def test_a_file_that_somebody_puts_into_a_refused_folder_stays(tmp_path: Path) -> None:
    with pytest.raises(BadInput), Store(tmp_path / "out").holding():
        (tmp_path / "out" / "thesis.txt").write_text("mine")
        raise BadInput("notes.csv", "is empty")

    assert names(tmp_path) == ["out", "out/thesis.txt"]


def test_every_version_of_a_study_is_kept_and_the_last_one_is_the_study(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed in (1, 2, 1):
        store.adopt(study(seed=seed))

    versions = sorted(f"study-{study(seed=seed).sha256()[:8]}.yaml" for seed in (1, 2))
    assert names(tmp_path) == [*versions, "study.yaml"]
    assert store.study == study(seed=1)


def test_the_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).adopt(study("other"))

    with pytest.raises(BadInput, match="holds the study 'other'; choose another folder"):
        Store(tmp_path).adopt(study())


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(BadInput, match="is not empty and holds no study"):
        Store(tmp_path).refuse_another(study())


def test_a_folder_with_a_study_file_of_its_authors_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: s  # with a comment of its author's\n")

    with pytest.raises(BadInput, match=r"holds a study.yaml that no `clinpeft run` has written; choose another"):
        Store(tmp_path).refuse_another(study())
    (tmp_path / ".lock").touch()
    (tmp_path / "study.yaml").unlink()
    Store(tmp_path).adopt(study())
    Store(tmp_path).refuse_another(study())


def test_a_folder_that_is_not_there_or_only_got_as_far_as_its_datasets_is_free(tmp_path: Path) -> None:
    (tmp_path / "stopped" / "datasets").mkdir(parents=True)
    (tmp_path / "stopped" / ".lock").touch()
    (tmp_path / "stopped" / ".study.yaml.tmp-0123456789ab").touch()

    Store(tmp_path / "new").refuse_another(study())
    Store(tmp_path / "stopped").refuse_another(study())
    assert not (tmp_path / "new").exists()


def test_a_folder_without_a_study_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no study \(no study.yaml\)"):
        Store.open(tmp_path)


def test_a_run_that_breaks_off_leaves_the_earlier_one(trained: Small) -> None:
    before = trained.content("runs")
    run = trained.records()["bitfit"].run

    def write(folder: Path) -> RunRecord:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained.store.commit(run, write)
    assert trained.content("runs") == before


def test_a_run_replaces_the_earlier_one_whole(trained: Small) -> None:
    record = trained.records()["bitfit"]

    def write(folder: Path) -> RunRecord:
        (folder / "new").write_text("x")
        return record

    trained.store.commit(record.run, write)
    assert names(trained.run_folder("bitfit")) == ["new", "record.json"]
    assert trained.store.record(record.run) == record


def test_a_run_is_sound_while_its_files_are_what_its_record_says(trained: Small) -> None:
    assert [trained.store.is_sound(run) for run in trained.store.runs()] == [True, True, True]
    assert not trained.store.is_sound("0123456789abcdef")


@pytest.mark.parametrize(
    "name", ["predictions-validation.parquet", "predictions-test.parquet", "adapter/head.safetensors"]
)
def test_a_run_with_a_missing_or_changed_file_is_not_sound(trained: Small, name: str) -> None:
    path = trained.run_folder("bitfit") / name
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    changed = trained.store.is_sound(path.relative_to(trained.out / "runs").parts[0])
    path.unlink()
    missing = trained.store.is_sound(path.relative_to(trained.out / "runs").parts[0])

    assert (changed, missing) == (False, False)


@pytest.mark.parametrize("name", ["record.json", "test.json"])
def test_a_run_whose_record_cannot_be_read_is_not_sound(trained: Small, name: str) -> None:
    folder = trained.run_folder("bitfit")
    (folder / name).write_text('{"schema": 1')

    assert not trained.store.is_sound(folder.name)


def test_the_index_names_every_run_of_the_plan_and_how_it_ended(trained: Small) -> None:
    rows = trained.store.index.rows()

    assert [(row["task"], row["model"], row["method"], row["seed"], row["fold"], row["status"]) for row in rows] == [
        ("outcome", "none", "majority", "1", "", "success"),
        ("outcome", "tiny", "head-only", "1", "", "success"),
        ("outcome", "tiny", "bitfit", "1", "", "success"),
    ]
    assert sorted(row["run"] for row in rows) == trained.store.runs()


def test_before_the_first_plan_the_index_is_empty(tmp_path: Path) -> None:
    assert Store(tmp_path).index.rows() == []


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    secret = Store(tmp_path).secret()

    assert len(secret) == 32
    assert Store(tmp_path).secret() == secret
    assert stat.S_IMODE((tmp_path / ".secret").stat().st_mode) == 0o600
