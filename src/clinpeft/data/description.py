"""What a dataset is, as far as it is known before its examples are read: the first half of its card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from clinpeft.data.card import SourceUse
from clinpeft.frozen import fingerprint
from clinpeft.spec import Kind, Scalar
from clinpeft.tasks.base import Task

DATASET_CODE = "2"
"""Raised whenever the same raw files and options give other datasets for a reason outside the task's own version."""

SplitMethod = Literal["official", "core", "hash", "paper", "user"]


@dataclass(frozen=True)
class Description:
    """The part of a card that does not depend on the examples."""

    name: str
    kind: Kind
    metric: str
    source: str
    """Name of the source; ids are hashed and subjects split under it."""
    labels: tuple[str, ...] | None = None
    positive: str | None = None
    version: int = 1
    mode: Literal["correct", "paper"] = "correct"
    options: tuple[tuple[str, Scalar | tuple[Scalar, ...]], ...] = ()
    release: str | None = None
    terms: tuple[str, ...] = ()
    split_method: SplitMethod = "official"
    """Method of a split that the examples bring; without one it is `hash`."""
    split_by: str | None = "subject"
    folds: int = 0
    """With folds, train is the whole pool and validation may be empty."""
    seed: int = 0
    is_own: bool = False
    """Of the user's files: a class that train lacks is refused rather than noted, and exact copies leave train."""
    splits_are_ours: bool = False
    """Cut here, not published nor given: copies and near copies leave train."""

    def fingerprint(self, use: SourceUse) -> str:
        """SHA-256 over name, version, code, mode, options and the raw files' checksums; no path, no site key."""
        return fingerprint(
            {
                "name": self.name,
                "version": self.version,
                "code": DATASET_CODE,
                "mode": self.mode,
                "options": dict(self.options),
                "files": {file.path: file.sha256 for file in use.files},
            }
        )


def describe_task(task: Task, name: str, release: str | None, limit: int | None = None) -> Description:
    """The description of a registered task; its fields are the options."""
    options = {key: value for key, value in task.model_dump(mode="json").items() if key != "mode"}
    if limit is not None:
        options["limit"] = limit
    # A task with several ways to split names the chosen one in an option `split`.
    named = options.get("split")
    is_by_years = named == "anchor_year_group"
    method: SplitMethod = next((known for known in get_args(SplitMethod) if known == named), "official")
    return Description(
        name=name,
        kind=task.kind_built(),
        metric=task.metric_built(),
        source=task.source,
        labels=task.labels,
        positive=task.positive,
        version=task.version,
        mode=task.mode,
        options=tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in options.items()),
        release=release,
        terms=task.terms,
        split_method="user" if is_by_years else method,
        split_by=task.keeps_together(),
        splits_are_ours=is_by_years,
    )
