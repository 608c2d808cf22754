"""A file or folder is there whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import NoReturn

import pytest

from clinpeft.errors import EnvironmentStop
from clinpeft.files import for_owner_only, remove_leftovers, replacing, replacing_folder, sha256_file, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_write_atomic_makes_the_folder_and_writes_text_as_utf8(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b.txt", "é")

    assert (tmp_path / "a" / "b.txt").read_bytes() == b"\xc3\xa9"
    assert names(tmp_path) == ["a", "a/b.txt"]


def test_write_atomic_replaces_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "b.bin"
    write_atomic(path, b"a much longer old content")
    write_atomic(path, b"new")

    assert path.read_bytes() == b"new"


def test_the_old_file_stays_when_the_writer_raises(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, "old")

    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt

    assert path.read_text() == "old"
    assert names(tmp_path) == ["record.json"]


def test_the_old_file_stays_until_the_new_one_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, "old")

    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent

    assert path.read_text() == "new"


def test_a_file_is_synced_before_it_gets_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append((os.path.isdir(f"/proc/self/fd/{descriptor}"), path.exists()))  # noqa: PTH112
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write_atomic(path, "x")

    assert synced == [(False, False), (True, True)]


def test_replacing_folder_swaps_the_whole_folder(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    (folder / "deep").mkdir(parents=True)
    (folder / "old.txt").write_text("old")

    with replacing_folder(folder) as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "new.txt").write_text("new")
        assert (folder / "old.txt").exists()

    assert names(tmp_path) == ["dataset", "dataset/sub", "dataset/sub/new.txt"]


def test_the_old_folder_stays_when_the_writer_raises(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "old.txt").write_text("old")

    with pytest.raises(RuntimeError), replacing_folder(folder) as temporary:
        (temporary / "half.txt").write_text("half")
        raise RuntimeError

    assert names(tmp_path) == ["dataset", "dataset/old.txt"]


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    replace = Path.replace

    def refuse_the_new_one(self: Path, target: Path) -> Path:
        if target == folder and (self / "new.txt").exists():
            raise OSError(errno.EIO, "input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_the_new_one)

    with pytest.raises(OSError, match="input/output"), replacing_folder(folder) as temporary:
        (temporary / "new.txt").write_text("new")

    assert names(tmp_path) == ["dataset", "dataset/old.txt"]


def test_killed_between_the_two_renames_a_folder_gets_its_name_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dataset"
    write_atomic(folder / "old.txt", "old")
    replace = Path.replace

    def killed_after_the_first(self: Path, target: Path) -> Path:
        if target == folder:
            raise SystemExit
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed_after_the_first)
    with pytest.raises(SystemExit), replacing_folder(folder) as temporary:
        write_atomic(temporary / "new.txt", "new")
    assert not folder.exists()
    monkeypatch.undo()

    assert remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == ["dataset", "dataset/old.txt"]


def test_a_folder_that_was_never_given_back_goes_when_its_successor_comes(tmp_path: Path) -> None:
    write_atomic(tmp_path / ".dataset.old-0123456789ab" / "old.txt", "old")

    with replacing_folder(tmp_path / "dataset") as temporary:
        write_atomic(temporary / "new.txt", "new")

    assert names(tmp_path) == ["dataset", "dataset/new.txt"]


def test_a_folder_that_has_its_successor_is_a_leftover(tmp_path: Path) -> None:
    write_atomic(tmp_path / "dataset" / "new.txt", "new")
    write_atomic(tmp_path / ".dataset.old-0123456789ab" / "old.txt", "old")

    assert remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == ["dataset", "dataset/new.txt"]


def test_what_is_made_for_the_owner_only_nobody_else_can_read_and_later_files_are_as_usual(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with pytest.raises(RuntimeError), for_owner_only():
            write_atomic(tmp_path / "deep" / "own.txt", "x")
            raise RuntimeError
        write_atomic(tmp_path / "usual.txt", "x")
    finally:
        os.umask(before)

    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("deep", "deep/own.txt", "usual.txt")]
    assert modes == [0o700, 0o600, 0o644]


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "dataset") as temporary:
        (temporary / "a.txt").write_text("a")

    assert (tmp_path / "dataset").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_stops_with_the_folder_and_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(self: Path, data: bytes) -> NoReturn:
        raise OSError(number, "no space left on device")

    write_atomic(tmp_path / "a.txt", "old")
    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(EnvironmentStop, match=r"the disk is full \([0-9,]+ bytes free\)") as caught:
        write_atomic(tmp_path / "a.txt", "new")

    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert caught.value.exit_code == 3
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.parametrize("writer", [replacing, replacing_folder])
def test_a_disk_too_full_for_a_folder_stops_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: type[replacing]
) -> None:
    def full(self: Path, *arguments: object, **options: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(Path, "mkdir", full)

    with pytest.raises(EnvironmentStop), writer(tmp_path / "new" / "a"):
        pytest.fail("the block must not run")


def test_another_error_of_the_system_passes_unchanged(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "file" / "below.txt", "x")


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".record.json.tmp-0123456789ab").write_text("half")
    (tmp_path / ".dataset.tmp-0123456789ab").mkdir()
    (tmp_path / ".dataset.tmp-0123456789ab" / "train.parquet").write_text("half")
    (tmp_path / "notes.tmp-x").write_text("mine")

    assert remove_leftovers(tmp_path) == 2
    assert names(tmp_path) == ["notes.tmp-x", "runs"]
    assert remove_leftovers(tmp_path) == 0
    assert remove_leftovers(tmp_path / "missing") == 0


def test_leftovers_of_one_name_alone_are_removed(tmp_path: Path) -> None:
    for name in (".rqe.tmp-0123456789ab", ".rqe-long.tmp-0123456789ab", ".other.tmp-0123456789ab"):
        (tmp_path / name).mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / ".rqe.tmp-0123456789ab").mkdir()

    assert remove_leftovers(tmp_path, "rqe") == 1
    assert names(tmp_path) == [
        ".other.tmp-0123456789ab",
        ".rqe-long.tmp-0123456789ab",
        "below",
        "below/.rqe.tmp-0123456789ab",
    ]


def test_what_a_living_process_writes_is_no_leftover(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "rqe") as temporary:
        assert remove_leftovers(tmp_path) == 0
        (temporary / "card.json").write_text("{}")

    assert names(tmp_path) == ["rqe", "rqe/card.json"]


def test_sha256_file_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc" * 100_000)

    assert sha256_file(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()
