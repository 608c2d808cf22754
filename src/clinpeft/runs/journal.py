"""journal.jsonl: what happened in a study's folder, one checksummed line an event."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, get_args

from clinpeft.errors import EnvironmentStop, GateRefused
from clinpeft.files import stopping_when_disk_fails
from clinpeft.frozen import canonical
from clinpeft.record import Event, EventName

LOCK_SECONDS = 60.0
"""How long another process may keep the journal: it needs milliseconds, unless it was stopped in between."""
TAIL_BYTES = 4096
"""More than a line is long."""
NAMES = frozenset(get_args(EventName))
KEYS = tuple(Event.model_fields)
"""In the order in which a line has them."""


class Journal:
    """Appends events, from any number of processes; a line is on disk before the next thing happens.

    An object serves one thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def events(self) -> list[Event]:
        """All events in order. A last line without its end (a power cut) is left out; any other damage raises
        GateRefused with the line's number."""
        return [_read(line, self.path, number) for number, line in enumerate(self._lines())]

    def last_of(self, run: str) -> Event | None:
        """The newest event of a run."""
        return self._newest(f', "run": "{run}", ')

    def newest_lease(self, run: str) -> int | None:
        """The number of the lease that a run was given last."""
        event = self._newest(f'"event": "leased", "run": "{run}", ')
        return event.lease if event else None

    def under_way(self) -> set[str]:
        """The runs that were leased or started, and of whose end there is no line yet."""
        content = self.path.read_bytes() if self.path.exists() else b""
        words = rb'"event": "(planned|leased|started|finished|failed)", "run": "(\w+)"'
        latest = {run.decode(): event for event, run in re.findall(words, content)}
        return {run for run, event in latest.items() if event in {b"leased", b"started"}}

    def starts(self) -> Counter[str]:
        """How often each run was started at step 0 since it was planned last."""
        counts: Counter[str] = Counter()
        content = self.path.read_bytes() if self.path.exists() else b""
        for event, run in re.findall(rb'"event": "(planned|started)", "run": "(\w+)"', content):
            counts[run.decode()] = counts[run.decode()] + 1 if event == b"started" else 0
        return counts

    def notes(self, event: EventName) -> list[str]:
        """Who did it, of each event of this name that is of no run; a damaged line is passed over."""
        words = f'"event": "{event}", "run": null'.encode()
        found = [_parsed(line) for line in self._lines() if words in line]
        return [each.worker or "" for each in found if each is not None]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else appends during the block, which may append itself.

        Raises EnvironmentStop when another process keeps the journal for a minute, or the disk fails.
        """
        if self._file is not None:
            yield
            return
        with stopping_when_disk_fails(self.path), self.path.open("ab+") as file:
            _lock(file, self.path)
            self._file = file
            try:
                yield
            finally:
                self._file = None

    def append(
        self, event: EventName, run: str | None = None, *, lease: int | None = None, worker: str | None = None
    ) -> int:
        """Write one event, wait until it is on the disk, and return its number.

        A run's lease is the number of the event that gave it: for `leased` it is filled in.
        """
        with self.locked():
            assert self._file is not None
            number = self._next_number(self._file)
            given = number if event == "leased" else lease
            self._write([{"n": number, "event": event, "run": run, "lease": given, "worker": worker, "time": _now()}])
            return number

    def append_all(self, event: EventName, runs: Sequence[str]) -> None:
        """The same event of several runs, on the disk together."""
        with self.locked():
            assert self._file is not None
            first, now = self._next_number(self._file), _now()
            same = {"event": event, "lease": None, "worker": None, "time": now}
            self._write([{**same, "n": first + place, "run": run} for place, run in enumerate(runs)])

    def _write(self, bodies: Sequence[dict[str, Any]]) -> None:
        assert self._file is not None
        lines = [json.dumps({key: body[key] for key in KEYS[:-1]} | {"crc32": _checksum(body)}) for body in bodies]
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _lines(self) -> list[bytes]:
        return self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []

    def _newest(self, words: str) -> Event | None:
        content = self.path.read_bytes() if self.path.exists() else b""
        content = content[: content.rfind(b"\n") + 1]
        found = content.rfind(words.encode())
        if found < 0:
            return None
        line = content[content.rfind(b"\n", 0, found) + 1 : content.find(b"\n", found)]
        event = _parsed(line)
        if event is None:
            self.events()  # Says which line it is.
        return event

    def _next_number(self, file: BinaryIO) -> int:
        """One more than the last whole line's; what a power cut left after that line is cut off."""
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - TAIL_BYTES)
        file.seek(start)
        tail = file.read()
        end = tail.rfind(b"\n") + 1
        if end == 0 and start > 0:  # A long run of zeros, as a file system may leave them.
            file.seek(0)
            start, tail = 0, file.read()
            end = tail.rfind(b"\n") + 1
        if start + end < size:
            file.truncate(start + end)
        if end == 0:
            return 0
        last = _parsed(tail[tail.rfind(b"\n", 0, end - 1) + 1 : end - 1])
        if last is None:
            self.events()
            raise GateRefused(f"{self.path}: its last line is damaged; restore the file from a copy")
        return last.n + 1


def _lock(file: BinaryIO, path: Path) -> None:
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                raise EnvironmentStop(f"{path}: another process keeps it; end that process, and run again") from None
            time.sleep(0.01)
        except OSError as error:
            raise EnvironmentStop(f"{path}: its file system has no locks ({error.strerror}); use another") from None


def _read(line: bytes, path: Path, number: int) -> Event:
    """The event on a line, whose `n` is the number of lines before it."""
    event = _parsed(line)
    if event is None or event.n != number:
        raise GateRefused(f"{path}: line {number + 1} is damaged; restore the file from a copy")
    return event


def _parsed(line: bytes) -> Event | None:
    """The event on a line, or None where its checksum says that it is damaged.

    What carries the right checksum was written by `append`: it need not be judged key by key, which would take five
    times as long.
    """
    try:
        body = json.loads(line)
        is_known, crc32 = body.keys() == set(KEYS) and body["event"] in NAMES, body.pop("crc32")
        is_whole = is_known and crc32 == _checksum(body)
    except (ValueError, AttributeError, TypeError, KeyError):
        return None
    return Event.model_construct(**body, crc32=crc32) if is_whole else None


def _checksum(body: dict[str, Any]) -> str:
    return f"{zlib.crc32(canonical(body)):08x}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
