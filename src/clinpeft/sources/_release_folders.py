"""Releases of several archives, of which a user has unpacked none, some or all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from clinpeft.sources._archives import ARCHIVE_SUFFIXES

Folders = Mapping[str, str]
"""Name of each archive without its suffix → the folder that it unpacks to; both in lower case."""


def holds_any(folder: Path, archives: Folders) -> bool:
    """Whether an archive, or the folder that it unpacks to, lies directly in `folder`."""
    known = {*archives, *archives.values()}
    return any(_stem(entry.name.lower()) in known for entry in folder.iterdir())


def still_packed(folder: Path, archives: Folders) -> tuple[str, ...]:
    """The archives whose contents do not lie unpacked anywhere below `folder`."""
    there = {path.name.lower() for path in folder.rglob("*") if path.is_dir()}
    return tuple(name for name, unpacked in archives.items() if not there & {name, unpacked})


def _stem(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in ARCHIVE_SUFFIXES if name.endswith(suffix)), name)
