"""The second parsers' files: the same from folders and from archives of either kind."""

import tarfile
import zipfile

import pytest

from clinpeft.recount._release_files import decoded, is_packed_only, release_files

FILES = {"notes/b.TXT": b"b", "notes/a.txt": b"a", "notes/c.ann": b"c", "notes/._a.txt": b"x", "__MACOSX/a.txt": b"x"}


def names(folder):
    found = release_files(folder, (".txt",), lambda path: is_packed_only(path, {"notes"}))
    return sorted((path.as_posix(), content) for path, content in found)


def write(folder):
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tgz"])
def test_archives_hold_what_their_folder_holds(tmp_path, suffix):
    folder = write(tmp_path / "folder")
    assert names(folder) == [("notes/a.txt", b"a"), ("notes/b.TXT", b"b")]
    (tmp_path / "packed").mkdir()
    path = tmp_path / "packed" / f"Notes{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in FILES:
                archive.write(folder / name, name)
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder / "notes", "notes")
    assert names(tmp_path / "packed") == [(f"Notes{suffix}/{name}", content) for name, content in names(folder)]
    (tmp_path / "packed/notes").mkdir()
    assert names(tmp_path / "packed") == []


def test_texts_are_utf8_with_or_without_a_mark_else_cp1252():
    assert decoded("\ufeffna\u00efve".encode()) == decoded("na\u00efve".encode()) == "na\u00efve"
    assert decoded("the patient\u2019s".encode("cp1252")) == "the patient\u2019s"
