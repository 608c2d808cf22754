"""Recounts i2b2 2012: one example a line, its labels the types of the events on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from clinpeft.recount import Options, Recounted
from clinpeft.recount._marked_xml import lines, lines_as_published, read_note, settled, xml_files

_REACH = 5


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """The lines that hold a word; documents of the fuller test archive go before those of the other."""
    is_paper = options.get("mode") == "paper"
    found: dict[str, tuple[str, bytes]] = {}
    for path, content in xml_files(root, lambda path: "unmerged" not in path.lower()):
        number = path.rpartition("/")[2][:-4]
        if number not in found or "merged_xml" in path.lower():
            found[number] = path, content
    for number, (path, content) in found.items():
        text, tags = read_note(content, ("EVENT",), "type")
        is_training = re.search("original-annotation", path, re.IGNORECASE) is not None
        events = settled(text, tags, _REACH, is_checked=is_training or not is_paper)
        events = [event for event in events if event.type]
        rows = lines_as_published(text, events) if is_paper else lines(text, events, is_decoded=True)
        for row, line, labels in rows:
            yield Recounted(f"{int(number)}:{row}", labels, line)
