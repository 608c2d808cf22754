"""Raw files under watch while a dataset is built from them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from clinpeft.data.card import SourceFile, SourceUse
from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles


class WatchedFiles(RawFiles):
    """Raw files that must not change between the first look and the checksum."""

    hashes_while_reading: ClassVar[bool] = True

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._stamps: dict[str, tuple[int, int, int]] = {}

    def note(self, path: Path, name: str | None = None) -> None:
        """Remember that `path` is read, and how it looked before."""
        super().note(path, name)
        self._stamps.setdefault(name or str(path.relative_to(self.root)), _stamp(path))

    def describe(self, source: str, release: str | None) -> SourceUse:
        """The card's entry for what was read. Raises BadInput when a file changed meanwhile."""
        files = tuple(SourceFile(path=name, bytes=size, sha256=sha) for name, size, sha in self.checksums())
        for name, stamp in self._stamps.items():
            if _stamp(self.used[name]) != stamp:
                raise BadInput(str(self.used[name]), "changed while it was read", "run again when it is complete")
        return SourceUse(name=source, release=release, files=files)


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
