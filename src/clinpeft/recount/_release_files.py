"""The files of annotation releases, read a second time: in folders, and in archives that were not unpacked."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

_PACKED = (".tar.gz", ".tgz", ".zip")


def release_files(
    root: Path, suffixes: tuple[str, ...], is_wanted_archive: Callable[[Path], bool]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """(path below the folder, content) of the files whose name ends so, without what macOS adds."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and _is_wanted(name, suffixes):
            yield PurePosixPath(name), path.read_bytes()
        elif path.is_file() and name.lower().endswith(_PACKED) and is_wanted_archive(path):
            for inside, read in _zipped(path) if name.lower().endswith(".zip") else _tarred(path):
                if _is_wanted(inside, suffixes):
                    yield PurePosixPath(name, inside), read()


def is_packed_only(path: Path, archives: Collection[str]) -> bool:
    """Whether it is one of these archives (names in lower case, without suffix), without its folder beside it."""
    stem = path.name.lower()
    for suffix in _PACKED:
        stem = stem.removesuffix(suffix)
    return stem in archives and not any(
        other.is_dir() and other.name.lower() == stem for other in path.parent.iterdir()
    )


def decoded(content: bytes) -> str:
    """UTF-8 with or without a mark, else cp1252."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")


def _tarred(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with tarfile.open(path) as archive:
        for member in archive:
            if file := archive.extractfile(member):
                yield member.name, file.read


def _zipped(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, partial(archive.read, member)


def _is_wanted(name: str, suffixes: tuple[str, ...]) -> bool:
    is_junk = any(part.startswith("._") or part == "__MACOSX" for part in name.split("/"))
    return name.lower().endswith(suffixes) and not is_junk
