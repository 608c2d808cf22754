"""Which MIMIC a table is of: III and IV have tables of the same names, and only their headers tell."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal

from clinpeft.sources.base import RawFiles

HEADER_BYTES = 1_000
ONLY_IN_4 = frozenset(("ADMIT_PROVIDER_ID", "RACE", "ICD_VERSION", "NOTE_ID", "STAY_ID", "ANCHOR_AGE"))


def release_of(raw: RawFiles, path: Path) -> Literal["MIMIC-III", "MIMIC-IV"] | None:
    """Told by the header: rows are numbered in III, and IV has columns of its own. None where neither holds."""
    with raw.open_binary(path) as file:
        try:
            header = file.readline(HEADER_BYTES)
        except (OSError, EOFError, zlib.error):  # damaged: told in full when the table is read
            return None
    text = header.decode("utf-8-sig", errors="replace").upper().replace('"', "")
    columns = [column.strip() for column in text.split(",")]
    if columns[0] == "ROW_ID":
        return "MIMIC-III"
    return "MIMIC-IV" if ONLY_IN_4.intersection(columns) else None
