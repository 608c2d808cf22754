"""Recounts i2b2 2014: one example a line, its labels the types of the identifiers on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clinpeft.recount import Options, Recounted
from clinpeft.recount._marked_xml import lines, lines_as_published, read_note, settled
from clinpeft.recount._release_files import release_files

_REACH = 12
_TAGS = ("NAME", "PROFESSION", "LOCATION", "AGE", "DATE", "CONTACT", "ID", "OTHER", "PHI")
_NOT_IN_THE_RELEASE = {"ROOM", "DEPARTMENT", "OTHER", "IPADDR", "SSN", "ACCOUNT", "LICENSE", "VEHICLE"}
_NOT_OF_HIPAA = {
    *("DOCTOR", "USERNAME", "PROFESSION", "HOSPITAL", "STATE", "COUNTRY", "LOCATION-OTHER", "URL"),
}


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """The lines that hold a word."""
    is_paper = options.get("mode") == "paper"
    left_out = _NOT_IN_THE_RELEASE | (_NOT_OF_HIPAA if options.get("types") == "hipaa" else set())
    found: dict[str, tuple[str, bytes]] = {}
    for place, content in release_files(root, (".xml",), lambda path: "-phi-" in path.name.lower()):
        path = place.as_posix().lower()
        if "-phi-" in path and "riskfactors" not in path:
            found.setdefault(place.stem, (path, content))
    for name, (path, content) in found.items():
        text, tags = read_note(content, _TAGS, "TYPE")
        phi = settled(text, tags, _REACH, is_checked="testing-phi" not in path or not is_paper)
        phi = [tag for tag in phi if tag.type not in left_out]
        rows = lines_as_published(text, phi) if is_paper else lines(text, phi, is_decoded=False)
        for row, line, spans in rows:
            yield Recounted(f"{name}:{row}", tuple(sorted(kind for *_, kind in spans)), line, spans=spans)
