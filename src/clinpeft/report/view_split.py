"""What is lost on later patients: one and the same table cut by time, and by chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from clinpeft.data.card import Card
from clinpeft.frozen import fingerprint
from clinpeft.report.configurations import Configuration
from clinpeft.report.recommend import difference
from clinpeft.report.results import Difference, ResultRow, Results
from clinpeft.report.tables import Cell, Estimate, Table
from clinpeft.report.view_base import View
from clinpeft.report.wording import method_labels

TIME = "split.time"
YEARS = "anchor_year_group"


def drop_by_time(found: Sequence[Configuration], results: Results) -> View | None:
    """For datasets of the same files that differ only in the split, one by time and one by chance, the drop of every
    configuration that both have, baselines too; None without such datasets.

    They are two tasks of one's own, or one registered task built both ways, its two studies in one report.
    """
    headlines = {item.task: item.metric for item in results.recommendations}
    dataset_of = {tuple(run.record.run for run in one.runs): one.card.fingerprint for one in found if one.card}
    heads: dict[tuple[str, str, str], list[ResultRow]] = defaultdict(list)
    for row in results.rows:
        if row.metric == headlines[row.task] and row.runs in dataset_of:
            heads[row.task, dataset_of[row.runs], row.split].append(row)
    tables = []
    for late, chance in _pairs([one.card for one in found if one.card]):
        for split in ("validation", "test"):
            late_rows, chance_rows = (heads[card.name, card.fingerprint, split] for card in (late, chance))
            if rows := _rows(late_rows, chance_rows):
                caption = f"{late.name} (by time) and {chance.name} (by chance): {headlines[late.name]}, {split}"
                name = f"split-{late.name}-{split}"
                tables.append(Table(name, caption, ("model", "method", "by time", "by chance", "drop"), tuple(rows)))
    lead = (
        "The same files cut twice: with the newest subjects as the test split, and by chance. The drop is what is lost "
        "on later patients; its interval takes the two scores as independent. Validation is drawn by chance from the "
        "subjects that are not test in both, so a drop there is no matter of time."
    )
    return View("split", "By time and by chance", lead, tuple(tables)) if tables else None


def _pairs(cards: Sequence[Card]) -> list[tuple[Card, Card]]:
    """Datasets that are one but for the split: the one by time, then the one by chance."""
    distinct = list({(card.name, card.fingerprint): card for card in cards}.values())
    late = [card for card in distinct if _is_by_time(card)]
    return [(one, other) for one in late for other in distinct if not _is_by_time(other) and _are_one(one, other)]


def _is_by_time(card: Card) -> bool:
    return card.options.get(TIME) is not None or card.options.get("split") == YEARS


def _are_one(late: Card, chance: Card) -> bool:
    """A registered task keeps its name, and may read one table more for the years."""
    if _but_for_the_split(late) != _but_for_the_split(chance):
        return False
    if late.options.get("split") == YEARS:
        return (late.name, late.version) == (chance.name, chance.version) and _files(chance) <= _files(late)
    return _files(chance) == _files(late)


def _but_for_the_split(card: Card) -> str:
    options = {name: value for name, value in card.options.items() if name.partition(".")[0] != "split"}
    return fingerprint([card.kind, card.mode, card.positive, card.metric, options])


def _files(card: Card) -> set[str]:
    return {file.sha256 for source in card.sources for file in source.files}


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
    options = {option: value for option, value in row.options.items() if option != "dataset"}
    return (*name, "" if len(alike) == 1 else fingerprint(options))


def _estimate(found: ResultRow | Difference) -> Estimate:
    value = found.mean if isinstance(found, ResultRow) else found.value
    return Estimate(value, found.low, found.high)
