"""Limits that are given to a recommendation and not in the study: noted in its journal, so that the report can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from clinpeft.files import for_owner_only
from clinpeft.runs.journal import Journal
from clinpeft.spec import CostField, Select


def note_limits(folder: Path, select: Select, given: Mapping[CostField, float]) -> None:
    """Write to the journal which of the limits `given` the study does not state, and who gave them; once for the same
    limits of the same person, and nothing for those that it states.

    Raises EnvironmentStop where the journal cannot be written: such limits are not used unseen.
    """
    from clinpeft.runs.test_labels import who

    late = {field: most for field, most in sorted(given.items()) if select.limits.get(field) != most}
    journal = Journal(folder / "journal.jsonl")
    note = f"{who()}: {' '.join(f'{field}={most:g}' for field, most in late.items())}"
    if late and note not in journal.notes("limits_changed"):
        with for_owner_only():
            journal.append("limits_changed", worker=note)


def limits_of(notes: Iterable[str]) -> list[tuple[CostField, float]]:
    """The limits of such notes, each once, without who gave them."""
    words = [word.partition("=") for note in notes for word in note.rpartition(": ")[2].split()]
    found = [(field, float(most)) for name, _, most in words for field in get_args(CostField) if field == name]
    return list(dict.fromkeys(found))
