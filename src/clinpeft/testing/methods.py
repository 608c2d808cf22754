"""What every fine-tuning method promises."""

from __future__ import annotations

from collections.abc import Sequence

from clinpeft.methods.base import Method
from clinpeft.spec import Kind
from clinpeft.testing._rules import CheckResult, Rule, empty_attributes, results
from clinpeft.testing.cells import all_cells
from clinpeft.testing.promises import check_cell

NUM_TOLD = 5
"""Cells that a broken promise names."""


def check_method(entry: type[Method], cells: Sequence[tuple[str, Kind]] | None = None) -> list[CheckResult]:
    """The promises of a method: what its class says, and what it does to tiny networks with random weights.

    cells: families and kinds of task, by default every family with classification, multilabel and entities, and BERT
    with every kind. A promise is kept when no cell breaks it; those that the method refuses are left out.
    """
    found: dict[str, list[str]] = {}
    for family, kind in all_cells() if cells is None else cells:
        for result in check_cell(entry, family, kind):
            broken = found.setdefault(result.name, [])
            if not result.passed:
                broken.append(f"{family}, {kind}: {result.detail}")
    return results(entry, METHOD_RULES) + [
        CheckResult(name, not broken, "; ".join(broken[:NUM_TOLD]) + (" …" if len(broken) > NUM_TOLD else ""))
        for name, broken in found.items()
    ]


def _says_what_it_is(entry: type[Method]) -> str | None:
    if not getattr(entry, "learning_rate", 0) > 0:
        return "learning_rate: not set"
    return empty_attributes(entry, ("title", "citation")) or (
        "its title has two lines" if "\n" in entry.title else None
    )


def _is_made_without_options(entry: type[Method]) -> str | None:
    entry()
    return None


def _documents_every_option(entry: type[Method]) -> str | None:
    bare = [name for name, field in entry.model_fields.items() if not field.description]
    return f"no text under option {', '.join(bare)}" if bare else None


def _tunes_at_most_two_of_its_options(entry: type[Method]) -> str | None:
    if len(entry.tunable) > 2:
        return f"{len(entry.tunable)} options to tune"
    for name, (low, high, scale) in entry.tunable.items():
        if name not in entry.model_fields:
            return f"'{name}' is none of its options"
        if not low < high or (scale == "log" and low <= 0):
            return f"'{name}' has an empty range"
        for value in (low, high):
            entry.model_validate({name: value})
    return None


METHOD_RULES: tuple[Rule[Method], ...] = (
    _says_what_it_is,
    _is_made_without_options,
    _documents_every_option,
    _tunes_at_most_two_of_its_options,
)
