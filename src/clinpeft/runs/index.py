"""index.csv: readable names for the run ids, how each ended, why, and how many seconds it took."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from clinpeft.files import write_atomic
from clinpeft.record import RunRecord
from clinpeft.runs.grid import PlannedRun

RECORD = "record.json"
COLUMNS = ("run", "role", "task", "model", "method", "seed", "fold", "status", "reason", "seconds")
NOT_ENDED = {"status": "planned", "reason": "", "seconds": ""}


class Index:
    """Of one study's folder; `record` reads a run's record, None while it has none."""

    def __init__(self, folder: Path, record: Callable[[str], RunRecord | None]) -> None:
        self.folder, self._record = folder, record
        self._outcomes: dict[str, tuple[tuple[int, ...], dict[str, str]]] = {}
        """Of ended runs, with the stamp of the record that was read for it."""

    def write(self, planned: Sequence[PlannedRun], beside: Sequence[dict[str, str]] = ()) -> None:
        """The planned runs; `beside`: rows of an earlier index that stay, of runs that are not among the planned."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for item in planned:
            spec, ended = item.spec, self.outcome(item.run)
            fold = "" if spec.fold is None else spec.fold
            names = [item.run, item.role, spec.task, spec.model, spec.method.name, spec.seed, fold]
            writer.writerow([*names, ended["status"], ended["reason"], ended["seconds"]])
        known = {item.run for item in planned}
        writer.writerows([row[name] for name in COLUMNS] for row in beside if row["run"] not in known)
        write_atomic(self.folder / "index.csv", text.getvalue())

    def rows(self) -> list[dict[str, str]]:
        """As last written; none before the first plan."""
        path = self.folder / "index.csv"
        return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []

    def outcome(self, run: str) -> dict[str, str]:
        """Status, reason and seconds of a run; `planned` while it has no record."""
        try:
            facts = (self.folder / "runs" / run / RECORD).stat()
        except OSError:
            return NOT_ENDED
        stamp = facts.st_ino, facts.st_size, facts.st_mtime_ns
        if self._outcomes.get(run, ((), {}))[0] != stamp:
            self._outcomes[run] = stamp, _outcome(self._record(run))
        return self._outcomes[run][1]


def _outcome(record: RunRecord | None) -> dict[str, str]:
    if record is None:
        return NOT_ENDED
    costs = (record.cost.get("train_seconds"), record.cost.get("evaluate_seconds"))
    seconds = [cost.value for cost in costs if cost is not None and cost.value is not None]
    reason = f"{record.reason.code}: {record.reason.message}" if record.reason else ""
    return {"status": record.status, "reason": reason, "seconds": f"{sum(seconds):.3f}" if seconds else ""}
