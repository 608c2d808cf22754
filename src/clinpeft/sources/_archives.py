"""Annotation releases: many small files, in folders or still inside their tar.gz or zip, read alike."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from clinpeft.errors import BadInput
from clinpeft.sources._damage import most_unpacked, refuse_nul, refusing_broken_archives, refusing_damage
from clinpeft.sources._zip_archives import zip_members
from clinpeft.sources.base import RawFiles

LARGEST_FILE = 16 << 20
"""Bytes; a document of these releases has some ten thousand."""
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".zip")


@dataclass(frozen=True, slots=True)
class RawText:
    """One file, not decoded; `path` leads to it from the raw folder, through the archive if it lies in one."""

    path: str
    content: bytes = field(repr=False)


def files_below(
    raw: RawFiles,
    suffixes: tuple[str, ...],
    archives: tuple[str, ...],
    skipped: Collection[str],
    *,
    largest: int = LARGEST_FILE,
) -> Iterator[RawText]:
    """All files below the raw folder whose name ends with one of `suffixes`, in order of their paths.

    archives: names (without suffix) of archives to look into; one whose folder lies unpacked beside it is passed over.
    skipped: names of folders, in lower case, that hold nothing wanted. What macOS adds to archives is skipped too.
    Raises BadInput for a file above `largest` bytes, an archive that is damaged or unpacks to far more than it can hold
    in earnest, and a member that is a link or leads out of it.
    """
    for path in sorted(raw.root.rglob("*")):
        relative = path.relative_to(raw.root)
        if _is_junk(relative.parts, skipped) or not path.is_file():
            continue
        if path.suffix.lower() in suffixes:
            if path.stat().st_size > largest:
                raise BadInput(str(relative), f"is larger than {largest:,} bytes", "this is no file of the release")
            raw.note(path)
            with refusing_damage(str(relative)):
                content = path.read_bytes()
            yield RawText(str(relative), content)
        elif _is_wanted_archive(path, archives):
            members = _zipped if path.suffix.lower() == ".zip" else _members
            yield from members(raw, path, suffixes, skipped, largest)


def text_of(file: RawText) -> tuple[str, bool]:
    """The text without a byte-order mark, and whether it had to be read as cp1252 because it is not UTF-8.

    Raises BadInput with the byte offset at a NUL, or where a byte means nothing in either.
    """
    refuse_nul(file.content, file.path)
    try:
        return file.content.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        pass
    try:
        return file.content.decode("cp1252"), True
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.path}, byte {error.start:,}", "is neither UTF-8 nor cp1252") from None


def _is_junk(parts: tuple[str, ...], skipped: Collection[str]) -> bool:
    return any(part.startswith("._") or part == "__MACOSX" or part.lower() in skipped for part in parts)


def _is_wanted_archive(path: Path, archives: tuple[str, ...]) -> bool:
    name = path.name.lower()
    stem = next((name.removesuffix(suffix) for suffix in ARCHIVE_SUFFIXES if name.endswith(suffix)), None)
    if stem not in archives:
        return False
    return not any(entry.is_dir() and entry.name.lower() == stem for entry in path.parent.iterdir())


def _zipped(
    raw: RawFiles, path: Path, suffixes: tuple[str, ...], skipped: Collection[str], largest: int
) -> Iterator[RawText]:
    def is_wanted(place: PurePosixPath) -> bool:
        return place.suffix.lower() in suffixes and not _is_junk(place.parts, skipped)

    for place, content in zip_members(raw, path, is_wanted, largest):
        yield RawText(f"{path.relative_to(raw.root)}/{place}", content)


def _members(
    raw: RawFiles, path: Path, suffixes: tuple[str, ...], skipped: Collection[str], largest: int
) -> Iterator[RawText]:
    name, num_bytes = str(path.relative_to(raw.root)), 0
    limit = most_unpacked(path.stat().st_size)
    found = []
    with refusing_broken_archives(name), raw.open_binary(path) as packed:
        stream = _Bounded(packed, limit, name)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                _refuse_unsafe(member, name)
                num_bytes += member.size
                _refuse_bomb(num_bytes, limit, name)
                place = PurePosixPath(member.name)
                if member.isfile() and place.suffix.lower() in suffixes and not _is_junk(place.parts, skipped):
                    found.append(_content(archive, member, name, largest))
        while stream.read(1 << 20):  # to the end, so that the checksum of the whole archive is compared
            pass
    yield from sorted(found, key=lambda file: file.path)


class _Bounded(io.BufferedIOBase):
    """An unpacked archive as a stream that gives no more bytes than a release can hold, whatever its headers claim."""

    def __init__(self, stream: io.BufferedIOBase, limit: int, name: str) -> None:
        self._stream, self._limit, self._name = stream, limit, name
        self._num_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Raises BadInput beyond the limit."""
        piece = self._stream.read(size)
        self._num_bytes += len(piece)
        _refuse_bomb(self._num_bytes, self._limit, self._name)
        return piece


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, largest: int) -> RawText:
    path = f"{name}/{member.name.removeprefix('./')}"
    if member.size > largest:
        raise BadInput(path, f"is larger than {largest:,} bytes", "this is no file of the release")
    file = archive.extractfile(member)
    assert file is not None  # only None for members that are no files
    return RawText(path, file.read())


def _refuse_bomb(num_bytes: int, limit: int, name: str) -> None:
    if num_bytes > limit:
        raise BadInput(name, "unpacks to far more than a release holds", "download the archive from the portal again")


def _refuse_unsafe(member: tarfile.TarInfo, name: str) -> None:
    place = PurePosixPath(member.name)
    remedy = "download the archive from the portal again"
    if place.is_absolute() or ".." in place.parts:
        raise BadInput(name, "holds a member whose path leads out of the archive", remedy)
    if not (member.isfile() or member.isdir()):
        raise BadInput(name, "holds a link or a device", remedy)
