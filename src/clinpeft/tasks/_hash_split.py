"""Splits by hash, where none is official or none of validation; below `data`, as a task may need them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal


def split_by_hash(source: str, subject: str) -> Literal["train", "validation", "test"]:
    """The split of a subject where none is official: 70/10/20, the same in every task of a source.

    >>> split_by_hash("mimic3", "10006")
    'validation'
    """
    u = _share_below(source, subject)
    return "train" if u < 0.70 else "validation" if u < 0.80 else "test"


def split_older_by_hash(source: str, subject: str) -> Literal["train", "validation"]:
    """The same hash where newer subjects are test: 7 to 1, as by `split_by_hash`, of the older ones.

    >>> split_older_by_hash("mimic3", "10006")
    'train'
    """
    return "train" if _share_below(source, subject) < 0.875 else "validation"


def in_hash_order(source: str, ids: Iterable[str]) -> list[str]:
    """The ids, none twice, in order of SHA-256("<source>|" + id)."""
    return sorted(set(ids), key=lambda id_: _digest(f"{source}|{id_}"))


def tenth_by_hash(source: str, ids: Iterable[str]) -> set[str]:
    """For validation: the last tenth (rounded up) of the ids in hash order; none of a single one."""
    ordered = in_hash_order(source, ids)
    num = min(-(-len(ordered) // 10), max(len(ordered) - 1, 0))
    return set(ordered[len(ordered) - num :])


def _share_below(source: str, subject: str) -> float:
    return int(_digest(f"split-v1|{source}|{subject}")[:16], 16) / 2**64


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
