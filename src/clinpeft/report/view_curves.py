"""LoRA's rank, and learning curves: quality along one axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from clinpeft.report.plots import Line, Plot, drawn
from clinpeft.report.tables import Cell, Table
from clinpeft.report.view_base import Entry, View, by_task, judged, whole
from clinpeft.report.wording import listed

MOST_PLOTS = 12
ROOM = 1.1
"""Between the first and last point and the ends of the axis, as a factor."""
Along = Mapping[tuple[str, str], Mapping[int, Entry]]
"""For each model and method its entries by where they stand on the axis."""


def rank(found: Sequence[Entry]) -> View | None:
    """For each task a row a model and method, a column a rank; None where no method has two."""
    tables, plots = [], []
    for task, mine in by_task(
        found, lambda entry: whole(entry) and isinstance(entry.row.options.get("r"), int)
    ).items():
        along = _along(mine, lambda entry: entry.row.options["r"])
        if along:
            tables.append(_table(f"rank-{task}", f"{task}: {judged(mine)} by rank", along, str))
            plots += _plots(along, task, "rank", judged(mine))
    lead = "One row a model and method. A rank is compared at the rate and alpha that the study gave it."
    fixed = _fixed_alpha(found)
    notes = (
        (f"Alpha is the same at every rank ({fixed}): the scale alpha / r shrinks as the rank grows.",) if fixed else ()
    )
    return View("rank", "Rank", lead, tuple(tables), notes, tuple(plots[:MOST_PLOTS])) if tables else None


def few_shot(found: Sequence[Entry]) -> View | None:
    """For each task a row a model and method, a column a number of training examples, of each class and in total;
    None without two subsets. Numbers that the dataset does not have are flagged."""
    tables, plots, notes = [], [], []
    for task, mine in by_task(found).items():
        for key, words in (("per_class", "of each class"), ("total", "in all")):
            drawn = [entry for entry in mine if entry.row.subset is not None and getattr(entry.row.subset, key)]
            along = _along(drawn, lambda entry, key=key: getattr(entry.row.subset, key))
            if not along:
                continue
            short = {number for number in _numbers(along) if _is_more_than_there_are(drawn[0], key, number)}
            name = f"few-shot-{key.replace('_', '-')}-{task}"
            caption = f"{task}: {judged(drawn)} by training examples {words}"
            everything = {(entry.row.model, _plain(entry)): entry for entry in mine if whole(entry)}
            head = {number: f"{number:,}{' *' if number in short else ''}" for number in _numbers(along)}
            tables.append(_table(name, caption, along, head.__getitem__, everything))
            plots += _plots(along, task, f"examples {words}", judged(drawn))
            if short:
                numbers = listed(f"{number:,}" for number in sorted(short))
                notes.append(f"* {task}: {numbers} {words} is more than there are; all that there are were taken.")
    lead = "Quality by how many examples a model was trained on. Every size is validated on the same whole split."
    if not all(_is_validated_as_usual(entry) for entry in found):
        lead = "Quality by how many examples a model was trained on. Some runs were validated on a draw of the split."
    return (
        View("few-shot", "Learning curves", lead, tuple(tables), tuple(notes), tuple(plots[:MOST_PLOTS]))
        if tables
        else None
    )


def _along(found: Sequence[Entry], place: Any) -> Along:
    """By model and method, those only that stand in two places or more."""
    lines: dict[tuple[str, str], dict[int, Entry]] = defaultdict(dict)
    for entry in found:
        lines[entry.row.model, _plain(entry)].setdefault(int(place(entry)), entry)
    return {key: dict(sorted(line.items())) for key, line in lines.items() if len(line) > 1}


def _plain(entry: Entry) -> str:
    return entry.row.method


def _numbers(along: Along) -> list[int]:
    return sorted({number for line in along.values() for number in line})


def _table(
    name: str, caption: str, along: Along, head: Any, everything: Mapping[tuple[str, str], Entry] | None = None
) -> Table:
    numbers = _numbers(along)
    rows: list[tuple[Cell, ...]] = []
    for key, line in along.items():
        cells: list[Cell] = [line[number].estimate if number in line else None for number in numbers]
        if everything:
            cells.append(everything[key].estimate if key in everything else None)
        rows.append((*key, *cells))
    columns = ("model", "method", *(head(number) for number in numbers), *(("all",) if everything else ()))
    return Table(name, caption, columns, tuple(rows))


def _plots(along: Along, task: str, x_title: str, y_title: str) -> list[Markup]:
    """One small plot a line, all on the same axes."""
    known = [entry.row for line in along.values() for entry in line.values() if entry.row.mean is not None]
    if not known:
        return []
    ends = [value for row in known for value in (row.low, row.mean, row.high) if value is not None]
    spread = (max(ends) - min(ends)) or 0.1
    x_range = _numbers(along)[0] / ROOM, _numbers(along)[-1] * ROOM
    y_range = min(ends) - 0.05 * spread, max(ends) + 0.05 * spread
    return [
        drawn(_plot(line, f"{task}: {model} with {method}", x_title, y_title, x_range, y_range), is_titled=True)
        for (model, method), line in along.items()
    ]


def _plot(
    line: Mapping[int, Entry],
    title: str,
    x_title: str,
    y_title: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> Plot:
    rows = [(float(number), entry.row) for number, entry in line.items()]
    points = tuple((x, row.mean) for x, row in rows if row.mean is not None)
    low = tuple((x, row.low) for x, row in rows if row.low is not None)
    high = tuple((x, row.high) for x, row in rows if row.high is not None)
    band = (low, high) if low and len(low) == len(high) else None
    return Plot(title, x_title, y_title, x_range, y_range, (Line(title, points),), band, is_log=True)


def _is_more_than_there_are(entry: Entry, key: str, number: int) -> bool:
    card = entry.configuration.card
    if card is None or "train" not in card.counts:
        return False
    train = card.counts["train"]
    return number > (train.examples if key == "total" else min(train.labels.values(), default=number))


def _is_validated_as_usual(entry: Entry) -> bool:
    chosen = entry.configuration.spec.validation
    return chosen is None or chosen.per_class is None


def _fixed_alpha(found: Sequence[Entry]) -> str | None:
    """The one alpha of all ranks of plain LoRA, where the ranks differ."""
    options = [entry.row.options for entry in found if entry.row.method == "lora" and whole(entry)]
    alphas, ranks = {option.get("alpha") for option in options}, {option.get("r") for option in options}
    known = alphas - {None}
    return f"{known.pop():g}" if known and len(alphas) == 1 and len(ranks) > 1 else None
