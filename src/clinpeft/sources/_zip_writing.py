"""Zip archives whose bytes depend on what is in them and nothing else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o100644, 0o040755


def write_zip(path: Path, members: Iterable[tuple[str, bytes]], day: tuple[int, int, int]) -> None:
    """Write the members (name, content) in their order, all of one day; a name that ends with `/` is a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name, (*day, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # Unix, wherever it runs
            member.external_attr = (FOLDER_MODE if name.endswith("/") else FILE_MODE) << 16
            archive.writestr(member, content)
