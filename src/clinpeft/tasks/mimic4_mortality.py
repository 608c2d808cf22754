"""mimic4-mortality: will the patient die in hospital, judged by what was written on admission?"""

from __future__ import annotations

from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks._death_in_hospital import DIED, LABELS, DeathJudge
from clinpeft.tasks._judging import Judge
from clinpeft.tasks._mimic4_notes import Admission
from clinpeft.tasks._mimic4_outcome import FROM_SUMMARIES, NOT_MIMIC3, Mimic4Outcome
from clinpeft.tasks.base import BuildLog


class Mimic4Mortality(Mimic4Outcome):
    """One admission, one bit: hospital_expire_flag."""

    kind: ClassVar[Kind] = "classification"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = LABELS
    positive: ClassVar[str | None] = DIED
    title: ClassVar[str] = "Death in hospital, foretold from the notes written on admission (MIMIC-IV)"
    is_not: ClassVar[str] = (
        f"Not a bedside score: {FROM_SUMMARIES} Death after discharge counts as survival. {NOT_MIMIC3}"
    )

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """Outcome and death filter, as in mimic3-mortality."""
        return DeathJudge({hadm: admission.died for hadm, admission in admissions.items()})
