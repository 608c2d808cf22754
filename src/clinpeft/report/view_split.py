"""What is lost on later patients: one and the same table cut by time, and by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clinpeft.data.card import Card
from clinpeft.frozen import fingerprint
from clinpeft.report.caveats import cards_of
from clinpeft.report.configurations import Configuration
from clinpeft.report.recommend import difference
from clinpeft.report.results import Difference, ResultRow, Results
from clinpeft.report.tables import Cell, Estimate, Table
from clinpeft.report.view_base import View
from clinpeft.report.wording import method_labels

TIME = "split.time"


def drop_by_time(found: Sequence[Configuration], results: Results) -> View | None:
    """For tasks that share their files and differ only in the split, one by time and one by chance, the drop of every
    configuration that both have, baselines too; None without such tasks."""
    headlines = {item.task: item.metric for item in results.recommendations}
    tables = []
    for late, chance in _pairs(cards_of(found)):
        for split in ("validation", "test"):
            both = [
                [row for row in results.rows if (row.task, row.split, row.metric) == (task, split, headlines[task])]
                for task in (late, chance)
            ]
            rows = _rows(*both)
            if rows:
                caption = f"{late} (by time) and {chance} (by chance): {headlines[late]}, {split}"
                name = f"split-{late}-{split}"
                tables.append(Table(name, caption, ("model", "method", "by time", "by chance", "drop"), tuple(rows)))
    lead = (
        "The same files cut twice: with the newest subjects as the test split, and by chance. The drop is what is lost "
        "on later patients; its interval takes the two scores as independent. Validation is drawn by chance from the "
        "older subjects in both, so a drop there is no matter of time."
    )
    return View("split", "By time and by chance", lead, tuple(tables)) if tables else None


def _pairs(cards: dict[str, Card]) -> list[tuple[str, str]]:
    """Names of tasks that are one but for the split: the one by time, then the one by chance."""
    kinds = {task: _but_for_the_split(card) for task, card in cards.items()}
    late = [task for task, card in cards.items() if card.options.get(TIME) is not None]
    return [(one, other) for one in late for other in cards if other not in late and kinds[other] == kinds[one]]


def _but_for_the_split(card: Card) -> str:
    options = {name: value for name, value in card.options.items() if not name.startswith("split.")}
    files = sorted(file.sha256 for source in card.sources for file in source.files)
    return fingerprint([card.kind, card.mode, card.positive, card.metric, options, files])


def _rows(late: Sequence[ResultRow], chance: Sequence[ResultRow]) -> list[tuple[Cell, ...]]:
    """Of the configurations that both have: a name that stands twice in one of them is told apart by its options."""
    others = {_key(row, chance): row for row in chance}
    rows: list[tuple[Cell, ...]] = []
    for row, label in zip(late, method_labels(late), strict=True):
        other = others.get(_key(row, late))
        if other is None or row.mean is None or other.mean is None:
            continue
        drop = difference(other, row) if row.higher_is_better else difference(row, other)
        rows.append((row.model, label, _estimate(row), _estimate(other), _estimate(drop)))
    return rows


def _key(row: ResultRow, rows: Sequence[ResultRow]) -> tuple[Any, ...]:
    name = row.model, row.method, fingerprint(row.subset or {})
    alike = [other for other in rows if (other.model, other.method, fingerprint(other.subset or {})) == name]
    return (*name, "" if len(alike) == 1 else fingerprint(row.options))


def _estimate(found: ResultRow | Difference) -> Estimate:
    value = found.mean if isinstance(found, ResultRow) else found.value
    return Estimate(value, found.low, found.high)
