"""Recounts i2b2 2014: one example a line, its labels the types of the identifiers on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clinpeft.recount import Options, Recounted
from clinpeft.recount._marked_xml import lines, lines_as_published, read_note, settled, xml_files

_REACH = 12
_TAGS = ("NAME", "PROFESSION", "LOCATION", "AGE", "DATE", "CONTACT", "ID", "OTHER", "PHI")
_NOT_IN_THE_RELEASE = {"ROOM", "DEPARTMENT", "OTHER", "IPADDR", "SSN", "ACCOUNT", "LICENSE", "VEHICLE"}


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """The lines that hold a word."""
    is_paper = options.get("mode") == "paper"
    found: dict[str, tuple[str, bytes]] = {}
    for path, content in xml_files(root, lambda path: "-phi-" in path.lower() and "riskfactors" not in path.lower()):
        found.setdefault(path.rpartition("/")[2][:-4], (path, content))
    for name, (path, content) in found.items():
        text, tags = read_note(content, _TAGS, "TYPE")
        phi = settled(text, tags, _REACH, is_checked="testing-phi" not in path.lower() or not is_paper)
        phi = [tag for tag in phi if tag.type not in _NOT_IN_THE_RELEASE]
        rows = lines_as_published(text, phi) if is_paper else lines(text, phi, is_decoded=False)
        for row, line, labels in rows:
            yield Recounted(f"{name}:{row}", labels, line)
