"""How a study stands: what is done, what runs, what failed and why, what is left, and how long that will take."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from clinpeft.prices.rates import Price
from clinpeft.runs.budget import Purse
from clinpeft.runs.store import Store

Row = dict[str, str]
LIKENESSES = (("task", "model", "method"), ("model", "method"), ("task", "model"), ("model",), ())
"""What a run has in common with ended ones from which its time is told; the first that any shares."""
OF_BASELINES = LIKENESSES[:2]
"""The same where the ended one is a baseline: it takes next to nothing, and tells nothing of models."""


@dataclass(frozen=True)
class Standing:
    """A study at this moment."""

    rows: list[Row]
    """The index's, as things are now: `running` where a worker has the run, with its name under `worker`."""
    seconds_left: float | None
    """Until the last run ends, with as many workers as now (one, if none); None before a model's run has ended."""
    limit: str | None = None
    """Of the study's budget, in words, when it is reached: what is left is left out."""

    @property
    def counts(self) -> dict[str, int]:
        """Runs by status."""
        return dict(Counter(row["status"] for row in self.rows))


def standing(store: Store, price: Price | None = None) -> Standing:
    """How the study in a folder stands. Reads the index, what ended since, the leases and the journal; no weights.

    price: what an hour costs, for a budget of money; without it nothing is said of that.
    """
    holders, starts = store.holders(), store.journal.starts()
    rows = []
    for row in store.index.rows():
        row = {**row, "worker": "", "starts": str(starts[row["run"]])}
        if row["status"] == "planned":
            row |= store.index.outcome(row["run"])
        if row["status"] == "planned" and row["run"] in holders:
            row |= {"status": "running", "worker": holders[row["run"]].name}
        rows.append(row)
    return Standing(rows, _seconds_left(rows), _limit(store, price))


def _limit(store: Store, price: Price | None) -> str | None:
    budget = store.study.budget
    if budget is None or (budget.money is not None and price is None):
        return None
    purse = Purse(budget, price)
    purse.add(store.records())
    return purse.reached()


def _seconds_left(rows: Sequence[Row]) -> float | None:
    left = [row for row in rows if row["status"] in {"planned", "running"}]
    taken: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for row in rows:
        if row["status"] == "success" and row["seconds"]:
            for keys in OF_BASELINES if row["role"] == "baseline" else LIKENESSES:
                taken[tuple(row[key] for key in keys)].append(float(row["seconds"]))
    if () not in taken:
        return None if left else 0.0
    mean = {key: fmean(seconds) for key, seconds in taken.items()}
    num_workers = max(1, sum(row["status"] == "running" for row in left))
    return sum(_seconds_of(row, mean) for row in left) / num_workers


def _seconds_of(row: Row, mean: dict[tuple[str, ...], float]) -> float:
    """As long as the runs most like it took; of one that is under way, half of that."""
    likenesses = (tuple(row[key] for key in keys) for keys in LIKENESSES)
    seconds = next(mean[likeness] for likeness in likenesses if likeness in mean)
    return seconds / 2 if row["status"] == "running" else seconds
