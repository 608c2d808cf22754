"""A table of the packaged study `methods`: `python benchmarks/methods.py STUDY`.

For every method its default learning rate, its validation score on each task, and on how many it beats a frozen
backbone with a trained head.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clinpeft.record import RunRecord
from clinpeft.runs.store import Store

FLOOR = "head-only"


def main() -> None:
    """Print the table of a study's planned runs, best first by the mean over tasks."""
    store = Store.open(Path(sys.argv[1]))
    found: dict[str, dict[str, RunRecord]] = {}
    for row in store.index.rows():
        record = store.record(row["run"]) if row["role"] == "final" else None
        if record is not None and record.status == "success":
            found.setdefault(record.spec.method.name, {})[record.spec.task] = record
    tasks = list(found[FLOOR])
    print("| method | learning rate | " + " | ".join(tasks) + " | above head-only |")
    print("|---|--:|" + "--:|" * len(tasks) + ":-:|")
    for name, records in sorted(found.items(), key=lambda item: -mean(item[1], tasks)):
        above = sum(value(records[task]) > value(found[FLOOR][task]) for task in tasks if task in records)
        cells = [f"{value(records[task]):.3f}" if task in records else "not run" for task in tasks]
        rate = next(iter(records.values())).spec.train.learning_rate
        tally = "–" if name == FLOOR else f"{above} of {sum(task in records for task in tasks)}"
        print(f"| {name} | {rate:g} | " + " | ".join(cells) + f" | {tally} |")


def value(record: RunRecord) -> float:
    """The headline score on validation; 0 where it is undefined."""
    return next(iter(record.scores.values())).value or 0.0


def mean(records: dict[str, RunRecord], tasks: list[str]) -> float:
    """Over the tasks that were run."""
    return sum(value(records[task]) for task in tasks if task in records) / len(records)


if __name__ == "__main__":
    main()
