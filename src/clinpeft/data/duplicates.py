"""Texts that stand in two splits: counted always, and taken out of train where the split is ours."""

from __future__ import annotations

from clinpeft.data.card import Duplicates
from clinpeft.data.description import Description
from clinpeft.data.near_copies import NearCopies
from clinpeft.data.split import Splits
from clinpeft.data.statistics import text_key
from clinpeft.errors import BadInput
from clinpeft.tasks.base import BuildLog, Example


def handle_duplicates(splits: Splits, description: Description, log: BuildLog) -> Duplicates:
    """Count the texts of train and validation of which a later split holds a copy or a near copy.

    A split that we cut ourselves loses them from train, which is changed in `splits`. An official one keeps them all:
    without them scores would not compare. The files of one's own task, where each split has one, lose exact copies
    only, because two near copies may be two different cases there. Raises BadInput when nothing of train would be left.
    """
    later = {text_key(example) for example in splits["test"]}
    exact = [example for example in splits["validation"] if text_key(example) in later]
    later |= {text_key(example) for example in splits["validation"]}
    copies = {example.example for example in splits["train"] if text_key(example) in later}
    near, near_copies = _near(splits, {example.example for example in exact} | copies)
    dropped = 0
    if description.is_own or description.splits_are_ours:
        dropped += _drop(splits, copies, "train-copies-of-validation-or-test", description, log)
    if description.splits_are_ours:
        dropped += _drop(splits, near_copies, "train-near-copies-of-validation-or-test", description, log)
    return Duplicates(exact=len(exact) + len(copies), near=near, dropped=dropped)


def _near(splits: Splits, copies: set[str]) -> tuple[int | None, set[str]]:
    """How many texts have a near copy in a later split, and the ids of those in train; exact copies do not count.

    None when no text of validation or test is long enough to be compared.
    """
    index, num_in_validation = NearCopies(), 0
    for example in splits["test"]:
        index.add(_text(example))
    for example in splits["validation"]:
        num_in_validation += example.example not in copies and index.holds_near_copy_of(_text(example))
    for example in splits["validation"]:
        index.add(_text(example))
    if index.is_empty:
        return None, set()
    rest = (example for example in splits["train"] if example.example not in copies)
    in_train = {example.example for example in rest if index.holds_near_copy_of(_text(example))}
    return num_in_validation + len(in_train), in_train


def _drop(splits: Splits, ids: set[str], step: str, description: Description, log: BuildLog) -> int:
    if not ids:
        return 0
    kept = [example for example in splits["train"] if example.example not in ids]
    if not kept:
        raise BadInput(description.name, "every training text stands in validation or test too", "look at the files")
    splits["train"] = kept
    log.filtered(step, len(kept), len(ids))
    return len(ids)


def _text(example: Example) -> str:
    return example.text if example.text_b is None else f"{example.text}\n{example.text_b}"
