"""mimic3-diagnoses-plus: diagnoses of a stay, learned together with longer codes and the words of their titles."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.tasks._judging import SplitName
from clinpeft.tasks._mimic3_codes import PUBLISHED_SPLITS, CodeTable, Mimic3CodesPlus
from clinpeft.tasks._mimic3_outcome import FROM_SUMMARIES


class Mimic3DiagnosesPlus(Mimic3CodesPlus):
    """The codes of mimic3-diagnoses as what is scored, and more labels to learn from (van Aken et al. 2021, DIA+).

    Labels that start with `+` (longer codes, words of LONG_TITLE) are learned and not scored by `auroc-codes`.
    """

    title: ClassVar[str] = "Diagnosis codes of a stay, learned together with finer codes and the words of their titles"
    is_not: ClassVar[str] = (
        f"Not more to foretell than in mimic3-diagnoses: only labels without a leading + are scored by the headline "
        f"metric; other metrics count all. Words are cut without NLTK: its list of 179 English stop words is written "
        f"out here, and punctuation is deleted. As there, {FROM_SUMMARIES}"
    )
    _table: ClassVar[CodeTable] = "DIAGNOSES_ICD"
    published: ClassVar[dict[SplitName, int]] = PUBLISHED_SPLITS[_table]
    _published_categories: ClassVar[int | None] = 1_266
