"""mimic3-procedures: which procedures will be coded at discharge, judged by what was written on admission?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.tasks._judging import SplitName
from clinpeft.tasks._mimic3_codes import PUBLISHED_SPLITS, CodeTable, Mimic3Codes, damaged_category
from clinpeft.tasks._mimic3_outcome import FROM_SUMMARIES
from clinpeft.tasks.base import BuildLog


class Mimic3Procedures(Mimic3Codes):
    """One admission, all categories of its ICD-9 procedure codes (van Aken et al. 2021, task PRO)."""

    title: ClassVar[str] = "Procedure codes (ICD-9 categories) of a stay, foretold from the notes written on admission"
    is_not: ClassVar[str] = (
        f"Not a plan of care: codes are set for billing after discharge; {FROM_SUMMARIES} The published 711 labels are "
        "damaged: codes were read as numbers, so that a spinal tap (03.31) and an incision of the lung (33.1) share "
        "the label 331. `--compat paper` does the same; only then is the label space the published one."
    )
    has_paper_mode: ClassVar[bool] = True
    _table: ClassVar[CodeTable] = "PROCEDURES_ICD"
    published: ClassVar[dict[SplitName, int]] = PUBLISHED_SPLITS[_table]
    _published_categories: ClassVar[int | None] = 711

    def labels_of(
        self, codes: Sequence[str], raw: RawFiles, log: BuildLog, why: str | None
    ) -> dict[str, frozenset[str]]:
        """The category of each code; in paper mode what is left of it without leading zeros."""
        if self.mode == "paper":
            return {code: frozenset({damaged_category(code)}) for code in codes}
        return super().labels_of(codes, raw, log, why)

    def why_others(self, why: str | None) -> str | None:
        """The published number is that of the damaged codes."""
        return why if self.mode == "paper" else "the published labels lost leading zeros; --compat paper loses them too"
