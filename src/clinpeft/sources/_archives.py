"""Annotation releases: many small files, in folders or still inside their tar.gz, read alike."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from clinpeft.errors import BadInput
from clinpeft.sources._damage import refuse_nul, refusing_damage
from clinpeft.sources.base import RawFiles

LARGEST_FILE = 16 << 20
"""Bytes; a document of these releases has some ten thousand."""
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class RawText:
    """One file, not decoded; `path` leads to it from the raw folder, through the archive if it lies in one."""

    path: str
    content: bytes = field(repr=False)


def files_below(
    raw: RawFiles, suffixes: tuple[str, ...], archives: tuple[str, ...], skipped: Collection[str]
) -> Iterator[RawText]:
    """All files below the raw folder whose name ends with one of `suffixes`, in order of their paths.

    archives: names (without suffix) of archives to look into; one whose folder lies unpacked beside it is passed over.
    skipped: names of folders, in lower case, that hold nothing wanted. What macOS adds to archives is skipped too.
    Raises BadInput for a file above 16 MiB, a damaged archive, and a member that is a link or leads out of it.
    """
    for path in sorted(raw.root.rglob("*")):
        relative = path.relative_to(raw.root)
        if _is_junk(relative.parts, skipped) or not path.is_file():
            continue
        if path.suffix.lower() in suffixes:
            if path.stat().st_size > LARGEST_FILE:
                raise BadInput(
                    str(relative), f"is larger than {LARGEST_FILE:,} bytes", "this is no file of the release"
                )
            raw.note(path)
            with refusing_damage(str(relative)):
                content = path.read_bytes()
            yield RawText(str(relative), content)
        elif _is_wanted_archive(path, archives):
            yield from _members(raw, path, suffixes, skipped)


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


def _members(raw: RawFiles, path: Path, suffixes: tuple[str, ...], skipped: Collection[str]) -> Iterator[RawText]:
    name = str(path.relative_to(raw.root))
    found = []
    with refusing_damage(name), raw.open_binary(path) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                _refuse_unsafe(member, name)
                place = PurePosixPath(member.name)
                if member.isfile() and place.suffix.lower() in suffixes and not _is_junk(place.parts, skipped):
                    found.append(_content(archive, member, name))
        while stream.read(1 << 20):
            pass  # to the end, so that the checksum of the whole archive is compared
    yield from sorted(found, key=lambda file: file.path)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> RawText:
    path = f"{name}/{member.name.removeprefix('./')}"
    if member.size > LARGEST_FILE:
        raise BadInput(path, f"is larger than {LARGEST_FILE:,} bytes", "this is no file of the release")
    file = archive.extractfile(member)
    assert file is not None  # only None for members that are no files
    return RawText(path, file.read())


def _refuse_unsafe(member: tarfile.TarInfo, name: str) -> None:
    place = PurePosixPath(member.name)
    remedy = "download the archive from the portal again"
    if place.is_absolute() or ".." in place.parts:
        raise BadInput(name, "holds a member whose path leads out of the archive", remedy)
    if not (member.isfile() or member.isdir()):
        raise BadInput(name, "holds a link or a device", remedy)
