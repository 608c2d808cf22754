"""SHA256SUMS.txt, which PhysioNet puts beside the files of a release: what differs from it was changed or damaged."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText
from clinpeft.sources._zip_archives import zip_members
from clinpeft.sources.base import RawFiles

SUMS_FILE = "SHA256SUMS.txt"
LARGEST_SUMS = 16 << 20
"""Bytes; the list of a release has a line a file."""


def check_sum(raw: RawFiles, path: Path, folder: Path | None = None) -> None:
    """Raises BadInput if the release's SHA256SUMS.txt in `folder` (by default beside `path`) has another checksum.

    Without such a file, or a line for this one, there is nothing to compare.
    """
    folder = folder or path.parent
    sums = folder / SUMS_FILE
    if not sums.is_file():
        return
    raw.note(path)
    wanted = _listed(sums.read_bytes()).get(path.relative_to(folder).as_posix().lower())
    _compare(str(path.relative_to(raw.root)), wanted, raw.sha256(path))


def check_sum_of(raw: RawFiles, file: RawText) -> None:
    """The same for a file that lies in a folder or, with its SHA256SUMS.txt beside it, in a zip archive."""
    path = PurePosixPath(file.path)
    packed = next((place for place in path.parents if (raw.root / place).is_file()), None)
    if packed is None:
        check_sum(raw, raw.root / file.path)
        return
    inside = path.relative_to(packed)
    place = inside.with_name(SUMS_FILE)
    for _, content in zip_members(raw, raw.root / packed, lambda member: member == place, LARGEST_SUMS):
        _compare(file.path, _listed(content).get(inside.name.lower()), hashlib.sha256(file.content).hexdigest())


def _listed(sums: bytes) -> dict[str, str]:
    """Checksum by path in lower case."""
    lines = [line.split(maxsplit=1) for line in sums.decode("utf-8", errors="replace").splitlines()]
    return {line[1].lstrip("*./").strip().lower(): line[0].lower() for line in lines if len(line) == 2}


def _compare(name: str, wanted: str | None, got: str) -> None:
    if wanted is not None and wanted != got:
        remedy = "download it again, or accept it with --set allow_modified=true"
        raise BadInput(name, f"differs from its checksum in {SUMS_FILE}", remedy)
