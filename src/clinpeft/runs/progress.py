"""A line per run, with the time left; on a terminal also a line that lives while a run trains."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from clinpeft.record import RunRecord
from clinpeft.runs.grid import PlannedRun

WIPE = "\r\x1b[K"
"""To the start of a terminal's line, and the line away."""


class Pulse:
    """The living line of one run: steps, loss, word pieces a second, time left. Silent where stderr is no terminal."""

    SECONDS_BETWEEN = 0.2

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_shown = sys.stderr.isatty()
        self.start = self.shown = time.monotonic()

    def __call__(self, step: int, num_steps: int, loss: float, tokens: int) -> None:
        """After a step; `tokens` so far."""
        now = time.monotonic()
        if not self.is_shown or (now - self.shown < self.SECONDS_BETWEEN and step < num_steps):
            return
        self.shown, seconds = now, now - self.start
        left = clock(seconds / step * (num_steps - step))
        line = f"  {self.name}: step {step}/{num_steps}, loss {loss:.3f}, {tokens / seconds:,.0f} pieces/s, {left} left"
        print(f"{WIPE}{line}", end="", file=sys.stderr, flush=True)


class Progress:
    """Says on stderr what ended, how, and how long the rest will take."""

    def __init__(self, num_runs: int, missing: Sequence[PlannedRun], what: str = "run") -> None:
        self.num_missing, self.num_ended = len(missing), 0
        self.left = {run.run: _weight(run) for run in missing}
        self.done = 0.0
        self.start = time.monotonic()
        if missing:
            kept = f", {num_runs - len(missing)} done before" if num_runs > len(missing) else ""
            runs = f"{len(missing)} {what}{'s' * (len(missing) > 1)}"
            print(f"{runs} to train{kept}", file=sys.stderr, flush=True)

    def ended(self, run: PlannedRun, record: RunRecord) -> None:
        """One more run has ended."""
        self.num_ended += 1
        self.done += self.left.pop(run.run)
        seconds = time.monotonic() - self.start
        left = seconds / self.done * sum(self.left.values())
        place = f"[{self.num_ended}/{self.num_missing}]".rjust(2 * len(str(self.num_missing)) + 3)
        tail = f"{clock(left)} left" if self.left else f"{clock(seconds)} in all"
        wipe = WIPE if sys.stderr.isatty() else ""
        print(f"{wipe}{place} {run.spec.describe():<66} {_result(record):<34} {tail}", file=sys.stderr, flush=True)

    def stopped(self, limit: str) -> None:
        """The study's budget is used up."""
        if self.left:
            left = f"{len(self.left)} left out; raise it, and the same command goes on"
            print(f"the budget of {limit} is used up: {left}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """A duration as a person says it: seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _result(record: RunRecord) -> str:
    if record.status == "pruned":
        return f"behind after step {record.work.steps}" if record.work else "behind"
    if record.status != "success":
        return f"{record.status}: {record.reason.code if record.reason else 'no reason'}"
    name, score = next(iter(record.scores.items()))
    value = "undefined" if score.value is None else f"{score.value:.3f}"
    cost = record.cost.get("train_seconds")
    return f"{name} {value}" + (f"   {cost.value:.1f} s" if cost and cost.value is not None else "")


def _weight(run: PlannedRun) -> float:
    """How long a run takes beside the others, roughly: a baseline next to nothing, or what it takes to read all texts
    once; full tuning more than the rest."""
    if run.role == "baseline":
        return 0.1 if run.spec.model == "none" else 0.3
    return 1.5 if run.spec.method.name == "full" else 1.0
