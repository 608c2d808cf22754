"""Files written whole or not at all, and the checksums that bind them.

Every final name appears by a rename of a finished, synced temporary file in the same folder; a process killed at any
moment leaves the old file or the new one, never half of one. Leftovers are called `.<name>.tmp-…`; a folder that is
about to be replaced is called `.<name>.old-…` for an instant. `remove_leftovers` clears both away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from clinpeft.errors import EnvironmentStop

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LOST = (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EACCES, errno.EPERM, errno.ENOTCONN)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) under `path` in one step."""
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def for_owner_only() -> Iterator[None]:
    """Whatever the block creates, in whatever library, only its owner can read (files 0600, folders 0700)."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well, and is removed when it does not."""
    temporary = _beside(path, "tmp")
    try:
        with stopping_when_disk_is_full(temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()


@contextlib.contextmanager
def replacing_folder(
    path: Path, fence: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
) -> Iterator[Path]:
    """The same for a folder: what the block writes there takes the place of `path`, all files at once.

    fence: held while the folder gets its name, and asked before: when it raises, `path` stays as it is.
    """
    temporary, retired = _beside(path, "tmp"), _beside(path, "old")
    try:
        with stopping_when_disk_is_full(temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir(mode=0o700)
            with _held(temporary):
                yield temporary
                for file in (*sorted(temporary.rglob("*")), temporary):
                    _sync(file)
                with fence():
                    _swap(temporary, path, retired)
            # With this one go those of processes killed between the two renames.
            for old in path.parent.glob(f".{glob.escape(path.name)}.old-*"):
                shutil.rmtree(old)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def stopping_when_disk_is_full(path: Path) -> Iterator[None]:
    """Turns «no space left» into EnvironmentStop naming the folder, what is free, and of a temporary file or folder
    how much lay in it when the space ended."""
    try:
        yield
    except Exception as error:
        if not _says(error, FULL):
            raise
        folder = next(parent for parent in path.parents if parent.exists())
        free, written = shutil.disk_usage(folder).free, _bytes_in(path) if ".tmp-" in path.name else 0
        needed = f", more than {written:,} needed" if written else ""
        raise EnvironmentStop(
            f"{folder}: the disk is full ({free:,} bytes free{needed}); free some and run again"
        ) from None


def require_free(folder: Path, num_bytes: int) -> None:
    """Raises EnvironmentStop when so much does not fit where `folder` lies, or will."""
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < num_bytes:
        raise EnvironmentStop(
            f"{place}: the disk is full ({free:,} bytes free, {num_bytes:,} needed); free some and run again"
        )


@contextlib.contextmanager
def stopping_when_disk_fails(path: Path) -> Iterator[None]:
    """The same, also for a place that has become read-only, unreadable or another's, or that is no longer there."""
    try:
        with stopping_when_disk_is_full(path):
            yield
    except OSError as error:
        has_vanished = error.errno == errno.ENOENT and not path.parent.exists()
        if not (has_vanished or _says(error, LOST)):
            raise
        place, what = error.filename or path.parent, os.strerror(error.errno or errno.EIO)
        raise EnvironmentStop(f"{place}: {what}; the same command goes on once it can be written again") from None


def remove_leftovers(folder: Path, name: str | None = None) -> int:
    """Clear away what a killed process left anywhere below `folder`; how many files and folders that were.

    name: only what was to become that file or folder directly in `folder`.
    Temporary ones are removed, unless a living process writes them; a folder that was to be replaced and has no
    successor yet gets its name back.
    """
    where = "**/.*" if name is None else f".{glob.escape(name)}"
    found = [*folder.glob(f"{where}.old-*"), *folder.glob(f"{where}.tmp-*")] if folder.exists() else []
    leftovers = [path for path in found if not _is_held(path)]
    for path in leftovers:
        name, is_retired, _ = path.name[1:].rpartition(".old-")
        if is_retired and not path.with_name(name).exists():
            path.replace(path.with_name(name))
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _says(error: Exception, numbers: tuple[int, ...]) -> bool:
    """safetensors' own error holds the number in its text only."""
    return getattr(error, "errno", None) in numbers or any(f"(os error {number})" in str(error) for number in numbers)


def _bytes_in(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())


def _swap(temporary: Path, path: Path, retired: Path) -> None:
    """Give `path` to what lies in `temporary`; what it named before is called `retired`."""
    try:
        if path.exists():
            path.replace(retired)
        temporary.replace(path)
    except BaseException:
        if retired.exists() and not path.exists():
            retired.replace(path)
        raise
    _sync(path.parent)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f".{path.name}.{what}-{uuid.uuid4().hex[:12]}")


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder is marked as being written to; the mark ends with the process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _is_held(path: Path) -> bool:
    if not path.is_dir():
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # The system does not say which file it was.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        os.close(descriptor)
