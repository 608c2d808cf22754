"""mimic3-diagnoses: which diagnoses will be coded at discharge, judged by what was written on admission?"""

from __future__ import annotations

from typing import ClassVar

from clinpeft.tasks._judging import SplitName
from clinpeft.tasks._mimic3_codes import PUBLISHED_SPLITS, CodeTable, Mimic3Codes
from clinpeft.tasks._mimic3_outcome import FROM_SUMMARIES


class Mimic3Diagnoses(Mimic3Codes):
    """One admission, all categories of its ICD-9 diagnosis codes (van Aken et al. 2021, task DIA)."""

    title: ClassVar[str] = "Diagnosis codes (ICD-9 categories) of a stay, foretold from the notes written on admission"
    is_not: ClassVar[str] = (
        f"Not the patient's illnesses: codes are set for billing after discharge; {FROM_SUMMARIES} The label space "
        "holds every category of the table, also without an example. V codes keep one character more than a category."
    )
    _table: ClassVar[CodeTable] = "DIAGNOSES_ICD"
    published: ClassVar[dict[SplitName, int]] = PUBLISHED_SPLITS[_table]
    _published_categories: ClassVar[int | None] = 1_266
