"""The Source interface: a release or a file format, how to find it, read it and invent it."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from clinpeft.errors import BadInput
from clinpeft.files import sha256_file
from clinpeft.frozen import Frozen
from clinpeft.registry import Registry

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class RawFiles:
    """A folder of raw files that remembers what was opened, so that the card can list it with checksums."""

    hashes_while_reading: ClassVar[bool] = False
    """Whether reading a file to its end gives its checksum on the way."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise BadInput(str(root), "is not a folder", "give the folder that holds the raw files")
        self.root = root
        self.used: dict[str, Path] = {}
        self._sha256: dict[Path, str] = {}

    def open_binary(self, path: Path) -> io.BufferedIOBase:
        """A raw file for reading; gzip is recognised by its first bytes, whatever the name says."""
        self.note(path)
        with path.open("rb") as start:
            is_gzip = start.read(2) == b"\x1f\x8b"
        if not self.hashes_while_reading or path in self._sha256:
            return gzip.open(path) if is_gzip else path.open("rb")
        file = io.BufferedReader(_Hashed(path, self._sha256), 1 << 20)
        return _Unpacked(file) if is_gzip else file

    def note(self, path: Path, name: str | None = None) -> None:
        """Remember that `path` is read by other means; `name` is what the card calls a file outside the root."""
        self.used[name or str(path.relative_to(self.root))] = path

    def sha256(self, path: Path) -> str:
        """SHA-256 of a raw file, for which a file is read once at most."""
        if path not in self._sha256:
            self._sha256[path] = sha256_file(path)
        return self._sha256[path]

    def checksums(self) -> list[tuple[str, int, str]]:
        """(path relative to the root, bytes, SHA-256) of every file read, sorted by path."""
        return [(name, path.stat().st_size, self.sha256(path)) for name, path in sorted(self.used.items())]


class _Hashed(io.RawIOBase):
    """A file whose SHA-256 enters `known` once all of it has been read, unless the reader jumped about in it."""

    def __init__(self, path: Path, known: dict[Path, str]) -> None:
        self._path, self._known = path, known
        self._file = path.open("rb", buffering=0)
        self._sha256: Any = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._sha256 = None
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        num_bytes = self._file.readinto(buffer)
        if self._sha256 is not None and num_bytes:
            self._sha256.update(memoryview(buffer)[:num_bytes])
        elif self._sha256 is not None and len(memoryview(buffer)):
            self._known[self._path] = self._sha256.hexdigest()
        return num_bytes

    def close(self) -> None:
        self._file.close()
        super().close()


class _Unpacked(gzip.GzipFile):
    """A gzip file that closes the file it unpacks."""

    def __init__(self, packed: io.BufferedReader[_Hashed]) -> None:
        self._packed = packed
        super().__init__(fileobj=packed, mode="rb")

    def close(self) -> None:
        super().close()
        self._packed.close()


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
