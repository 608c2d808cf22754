"""journal.jsonl: what happened in a study's folder, one checksummed line an event."""

from __future__ import annotations

import json
import os
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput, GateRefused
from clinpeft.files import stopping_when_disk_is_full
from clinpeft.frozen import canonical, parse_json
from clinpeft.record import Event, EventName


class Journal:
    """Appends events; a line is on disk before the next thing happens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = len(self.events())

    def events(self) -> list[Event]:
        """All events in order. A last line without its end (a power cut) is left out; any other damage raises
        GateRefused with the line's number."""
        lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []
        return [_read(line, self.path, number) for number, line in enumerate(lines)]

    def append(self, event: EventName, run: str | None = None, *, worker: str | None = None) -> None:
        """Write one event and wait until it is on the disk."""
        body = {"n": self._next, "event": event, "run": run, "lease": None, "worker": worker, "time": _now()}
        line = json.dumps({**body, "crc32": _checksum(body)}).encode() + b"\n"
        with stopping_when_disk_is_full(self.path), self.path.open("ab") as file:
            self._drop_torn_line(file)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._next += 1

    def _drop_torn_line(self, file: Any) -> None:
        content = self.path.read_bytes()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def _read(line: bytes, path: Path, number: int) -> Event:
    """The event on a line, whose `n` is the number of lines before it."""
    try:
        event = parse_json(Event, line, str(path))
    except BadInput:
        event = None
    if event is None or event.n != number or event.crc32 != _checksum(event.model_dump(mode="json", exclude={"crc32"})):
        raise GateRefused(f"{path}: line {number + 1} is damaged; restore the file from a copy")
    return event


def _checksum(body: dict[str, Any]) -> str:
    return f"{zlib.crc32(canonical(body)):08x}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
