"""The Source interface: a release or a file format, how to find it, read it and invent it."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import ClassVar

from clinpeft.errors import BadInput
from clinpeft.files import sha256_file
from clinpeft.frozen import Frozen
from clinpeft.registry import Registry


class RawFiles:
    """A folder of raw files that remembers what was opened, so that the card can list it with checksums."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise BadInput(str(root), "is not a folder", "give the folder that holds the raw files")
        self.root = root
        self.used: dict[str, Path] = {}

    def open_binary(self, path: Path) -> io.BufferedIOBase:
        """A raw file for reading; gzip is recognised by its first bytes, whatever the name says."""
        self.note(path)
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        return gzip.open(path) if is_gzip else path.open("rb")

    def note(self, path: Path) -> None:
        """Remember that `path` was read by other means."""
        self.used[str(path.relative_to(self.root))] = path

    def checksums(self) -> list[tuple[str, int, str]]:
        """(path relative to the root, bytes, SHA-256) of every file read, sorted by path."""
        return [(name, path.stat().st_size, sha256_file(path)) for name, path in sorted(self.used.items())]


class Source(Frozen):
    """A credentialed release or a file format: one file in `clinpeft/sources/`, found by its name."""

    title: ClassVar[str]
    release: ClassVar[str | None] = None
    folders: ClassVar[tuple[str, ...]] = ()
    """Names of the folder as downloaded, tried below a data folder."""

    usual_patients: ClassVar[int] = 400
    """How many patients (or documents) `clinpeft synth` invents unless told."""

    def find(self, folder: Path) -> Path | None:
        """The raw folder of this source at or directly below `folder`, or None."""
        for candidate in (folder, *(folder / name for name in self.folders)):
            if candidate.is_dir() and self.is_here(candidate):
                return candidate
        return None

    def is_here(self, folder: Path) -> bool:
        """Whether `folder` itself holds this source's files (judged by names only)."""
        raise NotImplementedError

    def synthesize(self, out: Path, *, num_patients: int, seed: int) -> dict[str, float]:
        """Write invented raw files of exactly the real shape to `out`; returns what is known of them
        (for example `best_auroc`). Sources that cannot raise BadInput."""
        raise BadInput(f"source '{type(self).__module__.rsplit('.', 1)[-1]}'", "has no generator of invented files")


SOURCES: Registry[Source] = Registry("source", "clinpeft.sources", Source)
