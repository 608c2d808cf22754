"""Recounts i2b2 2012: one example a line, its labels the types of the events on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from clinpeft.recount import Options, Recounted
from clinpeft.recount._marked_xml import lines, lines_as_published, read_note, settled
from clinpeft.recount._release_files import release_files

_ARCHIVE = re.compile("original-annotation|groundtruth", re.IGNORECASE)
_REACH = 5


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """The lines that hold a word; documents of the fuller test archive go before those of the other."""
    is_paper = options.get("mode") == "paper"
    found: dict[int, tuple[str, bytes]] = {}
    for place, content in release_files(root, (".xml",), lambda path: _ARCHIVE.search(path.name) is not None):
        path, number = place.as_posix().lower(), int(place.stem)
        if "unmerged" not in path and (number not in found or "merged_xml" in path):
            found[number] = path, content
    for number, (path, content) in found.items():
        text, tags = read_note(content, ("EVENT",), "type")
        is_training = "original-annotation" in path
        events = settled(text, tags, _REACH, is_checked=is_training or not is_paper)
        events = [event for event in events if event.type]
        rows = lines_as_published(text, events) if is_paper else lines(text, events, is_decoded=True)
        for row, line, spans in rows:
            yield Recounted(f"{number}:{row}", tuple(sorted(kind for *_, kind in spans)), line, spans=spans)
