"""Damaged archives, bombs and undecodable bytes as errors that name the place and quote nothing."""

from __future__ import annotations

import contextlib
import gzip
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from clinpeft.errors import BadInput

UNPACKED_AT_LEAST = 100_000_000
UNPACKED_PER_PACKED = 200
"""What unpacks to more than this times its size (and 100 MB) is taken for a bomb; notes reach about 10."""


def most_unpacked(num_packed: int) -> int:
    """Bytes that so many compressed ones may unpack to."""
    return max(UNPACKED_AT_LEAST, UNPACKED_PER_PACKED * num_packed)


@contextlib.contextmanager
def refusing_damage(name: str) -> Iterator[None]:
    """Turns what gzip, zlib and tarfile raise on a cut or altered file, and failing reads, into BadInput naming it."""
    try:
        yield
    except EOFError:
        raise BadInput(name, "the compressed file ends too early", "download it again") from None
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError):
        raise BadInput(name, "the compressed file is damaged", "download it again") from None
    except OSError as error:
        raise BadInput(name, f"cannot be read ({error.strerror})") from None


@contextlib.contextmanager
def refusing_broken_archives(name: str) -> Iterator[None]:
    """Likewise, and also what tarfile and zipfile stumble over in headers that make no sense."""
    with refusing_damage(name):
        try:
            yield
        except BadInput:
            raise
        except (zipfile.BadZipFile, struct.error, ValueError, LookupError, ArithmeticError, RuntimeError):
            raise BadInput(name, "the compressed file is damaged", "download it again") from None


def decoded(data: bytes, name: str, *, offset: int = 0) -> str:
    """`data` as UTF-8; `offset` is where it starts in the (unpacked) file.

    Raises BadInput with the byte offset at the first NUL or the first byte that is no UTF-8.
    """
    refuse_nul(data, name, offset)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}, byte {offset + error.start:,}", "is not UTF-8", "convert the file to UTF-8") from None


def refuse_nul(data: bytes, name: str, offset: int = 0) -> None:
    """Raises BadInput with the byte offset if `data` holds a NUL byte."""
    if (position := data.find(b"\0")) >= 0:
        raise BadInput(f"{name}, byte {offset + position:,}", "is a NUL byte", "download the file again")
