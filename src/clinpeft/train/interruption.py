"""SIGINT and SIGTERM while a run trains: the first lets a step end and be saved, the second ends it all."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 20
"""For the step under way; then the last checkpoint has to do."""


class Interrupted(BaseException):
    """A signal came at a moment at which it need not wait."""


class Interruption:
    """A context in which a first signal is only noted; outside it is passed on to whoever handled it before.

    In a thread other than the main one, or with `is_on` false, signals are left alone.
    """

    def __init__(self, *, is_on: bool = True) -> None:
        self.is_on = is_on and threading.current_thread() is threading.main_thread()
        self.signal: int | None = None
        self._before: dict[int, Any] = {}
        self._is_at_once = False

    def __enter__(self) -> Interruption:
        if self.is_on:
            for number in SIGNALS:
                handler = signal.getsignal(number)
                # Ignored, as in a shell's background job, it stays ignored.
                if handler is not None and handler != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._restore()
        if self.signal is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
            signal.raise_signal(self.signal)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """In this block a signal raises Interrupted: nothing in it is worth waiting for."""
        self._is_at_once = True
        try:
            if self.signal is not None:
                raise Interrupted
            yield
        finally:
            self._is_at_once = False

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            self._restore()
            signal.raise_signal(number)
            return
        self.signal = number
        if self._is_at_once:
            self._is_at_once = False
            raise Interrupted
        print("\nclinpeft: the step is ended and saved; once more stops at once", file=sys.stderr, flush=True)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._took_too_long)
        signal.alarm(GRACE_SECONDS)

    def _took_too_long(self, number: int, frame: FrameType | None) -> None:
        assert self.signal is not None
        self._restore()
        signal.raise_signal(self.signal)

    def _restore(self) -> None:
        if signal.SIGALRM in self._before:
            signal.alarm(0)
        while self._before:
            signal.signal(*self._before.popitem())
