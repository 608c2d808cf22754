"""Size × method, and domain × size × method."""

from __future__ import annotations

from collections.abc import Sequence

from clinpeft.report.tables import Amount, Cell, Table
from clinpeft.report.view_base import Entry, View, by_task, grid, judged, whole
from clinpeft.report.wording import listed, parameters

LIKE = 1.15
"""Models whose backbones differ by less than this factor count as of one size: vocabularies differ by that much."""
DOMAINS = ("general", "biomedical", "clinical")


def size_by_method(found: Sequence[Entry]) -> View | None:
    """For each task a row a model, smallest first, and a column a method; None with one model."""
    tables = []
    for task, mine in by_task(found, whole).items():
        models = sorted({(entry.row.backbone_parameters or 0, entry.row.model) for entry in mine})
        if len(models) < 2:
            continue
        cells = grid(mine, lambda entry: entry.row.model, lambda entry: entry.label)
        methods = list(dict.fromkeys(entry.label for entry in mine))
        rows = tuple(
            (
                model,
                Amount(size, parameters(size)) if size else None,
                *(_score(cells[model].get(method)) for method in methods),
            )
            for size, model in models
        )
        caption = f"{task}: {judged(mine)} by size and method"
        tables.append(Table(f"size-{task}", caption, ("model", "parameters", *methods), rows))
    lead = "Models from small to large, by method; the parameters are the backbone's."
    return View("size", "Size and method", lead, tuple(tables)) if tables else None


def domain_by_size(found: Sequence[Entry]) -> View | None:
    """For each task a row a size and method, and a column a domain of pre-training; None with one domain."""
    tables, seen = [], set()
    for task, mine in by_task(found, whole).items():
        domains = sorted({entry.row.domain for entry in mine}, key=_place)
        if len(domains) < 2:
            continue
        sizes = sizes_of(mine)
        rows: list[tuple[Cell, ...]] = []
        cells: dict[tuple[int, str], dict[str, list[Entry]]] = {}
        for entry in sorted(mine, key=lambda entry: sizes[entry.row.model]):
            cells.setdefault((sizes[entry.row.model], entry.label), {}).setdefault(entry.row.domain, []).append(entry)
        for (size, method), of_domain in cells.items():
            for number in range(max(map(len, of_domain.values()))):
                taken = {domain: members[number] for domain, members in of_domain.items() if number < len(members)}
                rows.append(
                    (Amount(size, parameters(size)), method, *(_score(taken.get(domain)) for domain in domains))
                )
        caption = f"{task}: {judged(mine)} by size, method and domain of pre-training"
        tables.append(Table(f"domain-{task}", caption, ("size", "method", *domains), tuple(rows)))
        seen |= _contaminated(mine)
    lead = (
        "Models of one size and different pre-training side by side. A model that saw a task's notes in pre-training, "
        "test patients and all, may owe its lead to that."
    )
    notes = (f"Saw a task's source in pre-training: {listed(sorted(seen), most=20)}.",) if seen else ()
    return View("domain", "Domain of pre-training", lead, tuple(tables), notes) if tables else None


def sizes_of(found: Sequence[Entry]) -> dict[str, int]:
    """{model: the smallest backbone of those that count as of its size}."""
    sizes, first = {}, 0
    for size, model in sorted({(entry.row.backbone_parameters or 0, entry.row.model) for entry in found}):
        if size > LIKE * first:
            first = size
        sizes[model] = first
    return sizes


def _contaminated(found: Sequence[Entry]) -> set[str]:
    cards = [(entry.row.model, entry.configuration.card) for entry in found]
    return {model for model, card in cards if card and model in {item.model for item in card.contamination}}


def _place(domain: str) -> tuple[int, str]:
    return (DOMAINS.index(domain) if domain in DOMAINS else len(DOMAINS), domain)


def _score(entry: Entry | None) -> Cell:
    return entry.estimate if entry is not None and entry.row.mean is not None else None
