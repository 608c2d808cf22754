"""mimic3-procedures-plus: procedures of a stay, learned together with longer codes and the words of their titles."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.tasks._judging import SplitName
from clinpeft.tasks._mimic3_codes import PUBLISHED_SPLITS, CodeTable, Mimic3CodesPlus
from clinpeft.tasks._mimic3_outcome import FROM_SUMMARIES


class Mimic3ProceduresPlus(Mimic3CodesPlus):
    """The codes of mimic3-procedures as what is scored, and more labels to learn from (van Aken et al. 2021, PRO+).

    Labels that start with `+` (longer codes, words of LONG_TITLE) are learned and not scored by `auroc-codes`.
    """

    title: ClassVar[str] = "Procedure codes of a stay, learned together with finer codes and the words of their titles"
    is_not: ClassVar[str] = (
        f"Not more to foretell than in mimic3-procedures: only labels without a leading + are scored by the headline "
        f"metric; other metrics count all. Words are cut without NLTK: its list of 179 English stop words is written "
        f"out here, and punctuation is deleted. As there, {FROM_SUMMARIES}"
    )
    _table: ClassVar[CodeTable] = "PROCEDURES_ICD"
    published: ClassVar[dict[SplitName, int]] = PUBLISHED_SPLITS[_table]
