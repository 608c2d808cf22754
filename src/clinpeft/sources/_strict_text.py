"""A text file of the user's own, decoded whole; whatever is not plain UTF-8 is refused with its place."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.sources._damage import most_unpacked
from clinpeft.sources.base import RawFiles

PIECE_BYTES = 1 << 20


def read_strict_text(raw: RawFiles, path: Path) -> str:
    """The file's text, gzip unpacked, without a byte-order mark, line ends as they stand.

    Raises BadInput for a missing, empty or damaged file, bytes that are not UTF-8 (with their offset), and NUL.
    """
    data = _unpacked(raw, path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(f"{path.name}: byte 0", "is UTF-16", f"convert it: iconv -f UTF-16 -t UTF-8 {path.name}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        place = f"{path.name}: line {line}, byte {error.start}"
        hint = f"convert it: iconv -f WINDOWS-1252 -t UTF-8 {path.name} (or -f with its true encoding)"
        raise BadInput(place, "is not UTF-8", hint) from None
    if (nul := text.find("\0")) >= 0:
        raise BadInput(f"{path.name}: line {text.count(chr(10), 0, nul) + 1}", "holds a NUL character", "remove it")
    if not text.strip():
        raise BadInput(path.name, "is empty")
    return text


def strict_lines(raw: RawFiles, path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end); only LF and CRLF end a line, so U+2028 in a note does not."""
    for number, line in enumerate(read_strict_text(raw, path).split("\n"), start=1):
        yield number, line.removesuffix("\r")


def _unpacked(raw: RawFiles, path: Path) -> bytes:
    if not path.is_file():
        raise BadInput(str(path), "is a folder" if path.is_dir() else "is not there", "check the path")
    limit = most_unpacked(path.stat().st_size)
    pieces, size = [], 0
    try:
        with raw.open_binary(path) as file:
            while piece := file.read(PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise BadInput(path.name, f"unpacks to more than {limit:,} bytes", "unpack it by hand and look")
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise BadInput(path.name, "is a damaged gzip file", "copy it again") from None
        raise BadInput(str(path), f"cannot be read ({error.strerror})") from None
    except (EOFError, zlib.error):
        raise BadInput(path.name, "is a gzip file cut short or damaged", "copy it again") from None
    return b"".join(pieces)
