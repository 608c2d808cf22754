"""LoRA's rank, and learning curves: quality along one axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from markupsafe import Markup

from clinpeft.report.plots import Line, Plot, drawn
from clinpeft.report.tables import Cell, Table
from clinpeft.report.view_base import Entry, View, by_task, judged, whole
from clinpeft.report.wording import listed

MOST_PLOTS = 24
ROOM = 1.1
"""Between the first and last point and the ends of the axis, as a factor."""
EVERYTHING = 0
"""Where on the axis of training examples those stand that were trained on all of train."""
Along = Mapping[tuple[str, str], Mapping[int, Entry]]
"""For each line, a model and a method in words, its entries by where they stand on the axis."""


def rank(found: Sequence[Entry]) -> View | None:
    """For each task a row a model and method, a column a rank; None where no method has two."""
    tables, plots = [], []
    for task, mine in by_task(
        found, lambda entry: whole(entry) and isinstance(entry.row.options.get("r"), int)
    ).items():
        along = _along(mine, _rank, ("r", "alpha"))
        if along:
            tables.append(_table(f"rank-{task}", f"{task}: {judged(mine)} by rank", along, str))
            plots += _plots(along, task, "rank", judged(mine))
    lead = "One row a model and method. A rank is compared at the rate and alpha that the study gave it."
    fixed = _fixed_alpha(found)
    notes = (
        [f"Alpha is the same at every rank ({fixed}): the scale alpha / r shrinks as the rank grows."] if fixed else []
    )
    return _view("rank", "Rank", lead, tables, notes, plots)


def few_shot(found: Sequence[Entry]) -> View | None:
    """For each task a row a model and method, a column a number of training examples, of each class and in total;
    None without two subsets. Numbers that the dataset does not have are flagged."""
    tables, plots, notes = [], [], []
    for task, mine in by_task(found).items():
        for key, words in (("per_class", "of each class"), ("total", "in all")):
            drawn = [entry for entry in mine if entry.row.subset is not None and getattr(entry.row.subset, key)]
            everything = [entry for entry in mine if whole(entry)]
            along = _along([*drawn, *everything], partial(_examples, key))
            if not along:
                continue
            short = {number for number in _numbers(along) if _is_more_than_there_are(drawn[0], key, number)}
            name = f"few-shot-{key.replace('_', '-')}-{task}"
            caption = f"{task}: {judged(drawn)} by training examples {words}"
            head = {number: f"{number:,}{' *' if number in short else ''}" for number in _numbers(along)}
            tables.append(_table(name, caption, along, head.__getitem__))
            plots += _plots(along, task, f"examples {words}", judged(drawn))
            if short:
                numbers = listed(f"{number:,}" for number in sorted(short))
                notes.append(f"* {task}: {numbers} {words} is more than there are; all that there are were taken.")
    lead = "Quality by how many examples a model was trained on. Every size is validated on the same whole split."
    if not all(_is_validated_as_usual(entry) for entry in found):
        lead = "Quality by how many examples a model was trained on. Some runs were validated on a draw of the split."
    return _view("few-shot", "Learning curves", lead, tables, notes, plots)


def _view(
    name: str, title: str, lead: str, tables: Sequence[Table], notes: Sequence[str], plots: Sequence[Markup]
) -> View | None:
    left = [f"{MOST_PLOTS} of {len(plots)} curves are drawn; the tables hold all."] if len(plots) > MOST_PLOTS else []
    shown = tuple(plots[:MOST_PLOTS])
    return View(name, title, lead, tuple(tables), (*notes, *left), shown) if tables else None


def _along(found: Sequence[Entry], place: Callable[[Entry], int], moving: tuple[str, ...] = ()) -> Along:
    """The lines that stand in two places of the axis or more, `moving` being the options that may change along it."""
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in found:
        groups[entry.row.model, entry.row.method].append(entry)
    along = {}
    for (model, method), mine in groups.items():
        for options, line in _lines(mine, place, moving).items():
            words = ", ".join(f"{name.removeprefix('train.').replace('_', ' ')} {value}" for name, value in options)
            along[model, f"{method} ({words})" if words else method] = dict(sorted(line.items()))
    return {key: line for key, line in along.items() if len(line.keys() - {EVERYTHING}) > 1}


def _rank(entry: Entry) -> int:
    return int(entry.row.options["r"] or 0)


def _examples(key: str, entry: Entry) -> int:
    return int(getattr(entry.row.subset, key, None) or EVERYTHING)


def _lines(
    mine: Sequence[Entry], place: Callable[[Entry], int], moving: tuple[str, ...]
) -> Mapping[tuple[tuple[str, str], ...], dict[int, Entry]]:
    """One line for all entries of a method, unless two of them stand in one place: then one for each set of options
    but the moving ones, and at last but the first of those. A searched rate is no option."""
    names = {name for entry in mine for name in entry.row.options}
    searched = {"learning_rate"} if any(entry.row.tuned for entry in mine) else set()
    lines: dict[tuple[tuple[str, str], ...], dict[int, Entry]] = {}
    for free in (names, {*moving, *searched}, {*moving[:1], *searched}):
        values = {name: {str(entry.row.options.get(name, "")) for entry in mine} for name in sorted(names - free)}
        telling = [name for name, found in values.items() if len(found) > 1]
        lines = defaultdict(dict)
        for entry in mine:
            key = tuple((name, str(entry.row.options.get(name, ""))) for name in telling)
            lines[key].setdefault(place(entry), entry)
        if sum(map(len, lines.values())) == len(mine):
            break
    return lines


def _numbers(along: Along) -> list[int]:
    return sorted({number for line in along.values() for number in line} - {EVERYTHING})


def _table(name: str, caption: str, along: Along, head: Callable[[int], str]) -> Table:
    has_everything = any(EVERYTHING in line for line in along.values())
    numbers = [*_numbers(along), *((EVERYTHING,) if has_everything else ())]
    rows: list[tuple[Cell, ...]] = []
    for key, line in along.items():
        rows.append((*key, *(line[number].estimate if number in line else None for number in numbers)))
    columns = ("model", "method", *(head(number) if number else "all" for number in numbers))
    return Table(name, caption, columns, tuple(rows))


def _plots(along: Along, task: str, x_title: str, y_title: str) -> list[Markup]:
    """One small plot a line, all on the same axes."""
    drawn_rows = [line[number].row for line in along.values() for number in line if number != EVERYTHING]
    known = [row for row in drawn_rows if row.mean is not None]
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
    rows = [(float(number), entry.row) for number, entry in line.items() if number != EVERYTHING]
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
