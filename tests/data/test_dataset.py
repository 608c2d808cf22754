from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clinpeft.data.build import WatchedFiles, write_dataset
from clinpeft.data.dataset import TaskDataset, find_dataset
from clinpeft.data.description import Description
from clinpeft.errors import BadInput, GateRefused
from clinpeft.tasks.base import BuildLog, Example

DESCRIPTION = Description("demo", "classification", "auroc", "tabular", positive="yes")


@pytest.fixture
def built(tmp_path: Path) -> TaskDataset:
    (tmp_path / "raw").mkdir()
    examples = [
        Example(f"e{row}", f"s{row}", f"d{row}", f"text {row}", split=split, label="yes" if row % 2 else "no")
        for row, split in enumerate(["train", "train", "validation", "validation", "test", "test"])
    ]
    return write_dataset(examples, DESCRIPTION, WatchedFiles(tmp_path / "raw"), BuildLog(), tmp_path / "out")


def test_an_opened_dataset_has_the_card_that_was_written(built: TaskDataset) -> None:
    assert TaskDataset.open(built.folder) == built
    built.verify()


def test_examples_come_back_in_order_with_hashed_ids(built: TaskDataset) -> None:
    examples = built.examples("train")

    assert [example.text for example in examples] == ["text 0", "text 1"]
    assert [example.label for example in examples] == ["no", "yes"]
    assert {example.split for example in examples} == {"train"}
    assert all(len(example.subject) == 16 and not example.subject.startswith("s") for example in examples)


def test_a_folder_without_a_card_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no dataset \(no card\.json\)"):
        TaskDataset.open(tmp_path)


@pytest.mark.parametrize("name", ["train.parquet", "validation.parquet", "test.parquet"])
def test_one_flipped_bit_is_refused_by_name(built: TaskDataset, name: str) -> None:
    path = built.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(GateRefused, match=f"{name}: has changed"):
        built.verify()


def test_a_missing_file_is_refused_by_name(built: TaskDataset) -> None:
    (built.folder / "test.parquet").unlink()

    with pytest.raises(GateRefused, match=r"test\.parquet: is missing"):
        built.verify()


def test_a_truncated_file_is_refused_when_it_is_read(built: TaskDataset) -> None:
    path = built.folder / "train.parquet"
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(GateRefused, match="cannot be read as Parquet"):
        built.examples("train")


def test_a_flipped_bit_in_a_page_is_refused_when_it_is_read(built: TaskDataset) -> None:
    path = built.folder / "train.parquet"
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(GateRefused, match="cannot be read as Parquet"):
        built.examples("train")


def test_a_planted_shared_subject_is_refused(built: TaskDataset) -> None:
    table = pq.read_table(built.folder / "train.parquet")
    pq.write_table(table, built.folder / "test.parquet")
    card = built.card.model_copy(update={"files": {}})

    with pytest.raises(GateRefused, match="2 subjects stand in more than one split"):
        replace(built, card=card).verify()


def test_a_split_that_parts_rows_shares_as_many_subjects_as_its_card_says(built: TaskDataset) -> None:
    shutil.copy(built.folder / "train.parquet", built.folder / "test.parquet")
    split = built.card.split.model_copy(update={"by": None, "shared_subjects": 2})
    card = built.card.model_copy(update={"files": {}, "split": split})
    replace(built, card=card).verify()
    lying = card.model_copy(update={"split": split.model_copy(update={"shared_subjects": 1})})

    with pytest.raises(GateRefused, match="2 subjects stand in more than one split, and the card says 1"):
        replace(built, card=lying).verify()


def test_a_dataset_is_found_below_or_at_a_folder(built: TaskDataset, tmp_path: Path) -> None:
    assert find_dataset("demo", [tmp_path / "nowhere", built.folder.parent]) == built.folder
    assert find_dataset("demo", [built.folder]) == built.folder
    assert find_dataset("other", [built.folder.parent]) is None


def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path, built: TaskDataset) -> None:
    before = os.umask(0)
    try:
        examples = [replace(example, split="train") for example in built.examples("train")]
        examples += [replace(example, split="validation") for example in built.examples("validation")]
        examples += [replace(example, split="test") for example in built.examples("test")]
        out = tmp_path / "deep" / "out"
        dataset = write_dataset(examples, DESCRIPTION, WatchedFiles(tmp_path / "raw"), BuildLog(), out)
    finally:
        os.umask(before)

    assert {stat.S_IMODE(path.stat().st_mode) for path in dataset.folder.iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (dataset.folder, out, out.parent)} == {0o700}
