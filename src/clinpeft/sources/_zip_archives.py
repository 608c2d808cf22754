"""The files inside a zip archive, read in memory: nothing is unpacked to disk, and what it claims is not trusted."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from clinpeft.errors import BadInput
from clinpeft.sources._damage import most_unpacked, refusing_broken_archives
from clinpeft.sources.base import RawFiles

_REMEDY = "download the archive again"


def zip_members(
    raw: RawFiles, path: Path, is_wanted: Callable[[PurePosixPath], bool], largest: int
) -> Iterator[tuple[str, bytes]]:
    """(path inside the archive, content) of the wanted files, sorted by path.

    Raises BadInput for an archive that is damaged, encrypted or not compressed by deflate, a member that is a link or
    leads out of it, a name that stands twice, a wanted file above `largest` bytes, and an archive that unpacks to far
    more than it can hold in earnest.
    """
    name = str(path.relative_to(raw.root))
    raw.note(path)
    with refusing_broken_archives(name), zipfile.ZipFile(path) as archive:
        for place, member in _members(archive, name, path.stat().st_size, is_wanted):
            if member.file_size > largest:
                rule = f"is larger than {largest:,} bytes"
                raise BadInput(f"{name}/{place}", rule, "this is no file of the release")
            yield str(place), archive.read(member)


def _members(
    archive: zipfile.ZipFile, name: str, size: int, is_wanted: Callable[[PurePosixPath], bool]
) -> list[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """The wanted members by their paths, after a look at all of them."""
    members = archive.infolist()
    if sum(member.file_size for member in members) > most_unpacked(size):
        raise BadInput(name, "unpacks to far more than a release holds", _REMEDY)
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in members:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        _refuse_unsafe(place, member, name)
        if member.is_dir() or not is_wanted(place):
            continue
        if place in found:
            raise BadInput(f"{name}/{place}", "stands twice in the archive", _REMEDY)
        found[place] = member
    return sorted(found.items())


def _refuse_unsafe(place: PurePosixPath, member: zipfile.ZipInfo, name: str) -> None:
    if place.is_absolute() or ".." in place.parts or ":" in "".join(place.parts[:1]):
        raise BadInput(name, "holds a member whose path leads out of the archive", _REMEDY)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise BadInput(name, "holds a link or a device", _REMEDY)
    if member.flag_bits & 1:
        raise BadInput(name, "is encrypted", "unpack it with its password")
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise BadInput(name, "is compressed by another method than deflate", "unpack it")
