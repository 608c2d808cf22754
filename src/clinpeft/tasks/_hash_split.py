"""The split of a subject where none is official; below `data`, because a task may choose its classes in train."""

from __future__ import annotations

import hashlib
from typing import Literal


def split_by_hash(source: str, subject: str) -> Literal["train", "validation", "test"]:
    """The split of a subject where none is official: 70/10/20, the same in every task of a source.

    >>> split_by_hash("mimic3", "10006")
    'validation'
    """
    digest = hashlib.sha256(f"split-v1|{source}|{subject}".encode()).hexdigest()
    u = int(digest[:16], 16) / 2**64
    return "train" if u < 0.70 else "validation" if u < 0.80 else "test"
