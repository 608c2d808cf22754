"""What a study names is found, in a fixed order, or refused before anything is built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinpeft.data.own import import_task
from clinpeft.errors import BadInput, GateRefused
from clinpeft.files import sha256_file
from clinpeft.runs.find import Found, find
from clinpeft.sources.base import SOURCES
from clinpeft.spec import Study

if TYPE_CHECKING:
    from tests.conftest import Small


def found(small: Small, *data: Path, **changes: Any) -> Found:
    small.write(**changes)
    return find(Study.read(small.file), small.folder, data, small.out)


def build(small: Small, folder: Path) -> Path:
    """The study's own task as a dataset in `folder`."""
    small.write()
    return import_task(Study.read(small.file).tasks[0], small.folder, folder).folder


def test_finding_builds_and_writes_nothing(small: Small) -> None:
    before = sorted(small.folder.rglob("*"))
    tasks = found(small).tasks

    assert tasks["outcome"].places == (small.folder / "notes.csv",)
    assert sorted(small.folder.rglob("*")) == sorted([*before])


def test_a_dataset_named_with_data_goes_before_one_of_the_studys_own_folders(small: Small) -> None:
    named, own = small.folder / "named", small.folder / "own"
    build(small, named)
    build(small, own)

    assert found(small, tasks=["outcome"], data=["own"]).tasks["outcome"].places == (own / "outcome",)
    assert found(small, named, tasks=["outcome"], data=["own"]).tasks["outcome"].places == (named / "outcome",)


def test_a_dataset_in_a_data_folder_is_read_where_it_lies(small: Small) -> None:
    built = build(small, small.folder / "data")

    assert found(small, tasks=["outcome"], data=["data"]).tasks["outcome"].dataset().folder == built
    assert not small.out.exists()


def test_what_an_earlier_run_built_is_found_when_its_raw_files_are_gone(small: Small) -> None:
    small.write(task={"name": "rqe"})
    built = import_task(Study.read(small.file).tasks[0], small.folder, small.out / "datasets").folder

    assert found(small, tasks=["rqe"]).tasks["rqe"].dataset().folder == built


def test_a_dataset_that_was_changed_is_refused(small: Small) -> None:
    built = build(small, small.folder / "data")
    with (built / "test.parquet").open("ab") as file:
        file.write(b"x")

    with pytest.raises(GateRefused, match="has changed since it was built"):
        found(small, tasks=["outcome"], data=["data"])


def test_a_patient_put_into_two_splits_since_is_refused_though_every_checksum_fits(small: Small) -> None:
    built = build(small, small.folder / "data")
    train, test = (pq.read_table(built / f"{split}.parquet") for split in ("train", "test"))
    pq.write_table(pa.concat_tables([test, train.slice(0, 1)]), built / "test.parquet")
    card = json.loads((built / "card.json").read_text())
    card["files"]["test.parquet"] = sha256_file(built / "test.parquet")
    (built / "card.json").write_text(json.dumps(card))

    with pytest.raises(GateRefused, match="1 subjects stand in more than one split; build the dataset again"):
        found(small, tasks=["outcome"], data=["data"])


def test_a_dataset_that_a_study_builds_names_the_models_that_saw_its_source(small: Small) -> None:
    SOURCES.get("mimic3")().synthesize(small.folder / "raw" / "mimiciii", num_patients=40, seed=1)
    card = found(small, tasks=["mimic3-mortality"], data=["raw"]).tasks["mimic3-mortality"].dataset().card

    assert {seen.source for seen in card.contamination} == {"mimic3"}


def test_a_registered_task_without_data_says_how_to_get_it(small: Small) -> None:
    (small.folder / "empty").mkdir()

    with pytest.raises(BadInput, match=r"raw files of source 'rqe' were found .*empty\); `clinpeft build rqe --raw"):
        found(small, tasks=["rqe"], data=["empty"])


@pytest.mark.parametrize("folder", ["nowhere", "notes.csv"])
def test_a_data_folder_that_is_none_is_refused(small: Small, folder: str) -> None:
    with pytest.raises(BadInput, match=f"data folder .*{folder}: is not"):
        found(small, data=[folder])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": {"metric": "entity-f1"}}, "metric 'entity-f1' is not defined for classification; use .*auroc"),
        ({"task": {"metric": "aurok"}}, "did you mean 'auroc'"),
        ({"methods": ["lorra"]}, "did you mean 'lora'"),
        ({"methods": [{"name": "lora", "rank": 4}]}, "unknown key 'rank'"),
        ({"models": ["minilm-l7"]}, "did you mean 'minilm-l6'"),
        ({"models": ["./nowhere"]}, "nowhere: is not there"),
        ({"train": {"max_length": 513}}, "takes at most 512 word pieces; set it to 512 or less"),
        (
            {"methods": [{"name": "p-tuning", "num_virtual_tokens": 9}]},
            "virtual tokens of method 'p-tuning'; set it to 17",
        ),
        ({"task": {"files": {"data": "gone.csv"}}}, "gone.csv: is not there"),
    ],
    ids=str,
)
def test_what_cannot_be_carried_out_is_refused_before_a_dataset_is_built(
    small: Small, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("clinpeft.runs.find.import_task", lambda *_: pytest.fail("a dataset was built"))

    with pytest.raises(BadInput, match=message):
        found(small, **changes)


def test_a_method_that_cannot_serve_a_model_is_refused(small: Small, tiny_longformer: Path) -> None:
    with pytest.raises(BadInput, match=r"method 'prefix-tuning' with model 'tiny-longformer': .*use lora"):
        found(small, models=[str(tiny_longformer)], methods=["lora", "prefix-tuning"])


def test_the_folder_of_a_study_may_lie_beside_its_file_and_its_data(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(small, small.folder)
    monkeypatch.chdir(small.folder)

    assert found(small, tasks=["outcome"], data=["."]).tasks["outcome"].places == (small.folder / "outcome",)
    assert found(small, Path(), tasks=["outcome"]).tasks["outcome"].places == (Path("outcome"),)


@pytest.mark.parametrize("out", ["data/out", "data/outcome", "data/outcome/out", "tiny-copy/out"])
def test_a_study_does_not_write_among_what_it_reads(small: Small, out: str) -> None:
    build(small, small.folder / "data")
    shutil.copytree(small.folder / "tiny", small.folder / "tiny-copy")
    small.write(tasks=["outcome"], data=["data"], models=["./tiny-copy"])

    with pytest.raises(BadInput, match="lies inside a folder that the study reads"):
        find(Study.read(small.file), small.folder, (), small.folder / out)


def test_a_raw_folder_is_kept_apart_even_when_one_stands_in_it(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    build(small, small.folder / "data")
    small.write(tasks=["outcome"])
    monkeypatch.chdir(small.folder / "data" / "outcome")

    with pytest.raises(BadInput, match=r"inside a folder that the study reads \(outcome\)"):
        find(Study.read(small.file), small.folder, (Path("../outcome"),), Path("out"))


def test_a_study_inside_another_studys_folder_is_refused(small: Small) -> None:
    small.out.mkdir()
    (small.out / "journal.jsonl").touch()

    with pytest.raises(BadInput, match=r"lies inside another study's folder \(out\)"):
        find(Study.read(small.file), small.folder, (), small.out / "inner" / "deep")


@pytest.mark.parametrize("out", ["/", "repository", "notes.csv", "notes.csv/out"])
def test_the_root_a_repository_and_a_file_are_no_place_for_a_study(small: Small, out: str) -> None:
    (small.folder / "repository" / ".git").mkdir(parents=True)

    with pytest.raises(BadInput, match=r"--out .*is (the root folder or a repository|a file, or below one)"):
        find(Study.read(small.file), small.folder, (), small.folder / out)
