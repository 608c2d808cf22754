"""What holds for every task of a credentialed release of PhysioNet: licence, terms, and files as they were released."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.tasks.base import Task

LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"
TERMS = (
    "PhysioNet Credentialed Health Data Use Agreement 1.5.0: research only, no re-identification, no sharing with "
    "anyone who has no agreement of their own; sending text to an online service is sharing. Also holds for what "
    "is derived from the data.",
)


class PhysioNetTask(Task):
    """A task of a credentialed release of PhysioNet."""

    licence: ClassVar[str] = LICENCE
    terms: ClassVar[tuple[str, ...]] = TERMS

    allow_modified: bool = False
    """Accept files that differ from the release's SHA256SUMS.txt."""
