"""mimic4-length-of-stay: how long will the patient stay in hospital, judged by what was written on admission?"""

from __future__ import annotations

from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks._judging import Case, Judge
from clinpeft.tasks._mimic4_notes import Admission
from clinpeft.tasks._mimic4_outcome import FROM_SUMMARIES, NOT_MIMIC3, Mimic4Outcome
from clinpeft.tasks._stays import CLASSES, class_of
from clinpeft.tasks.base import BuildLog


class Mimic4LengthOfStay(Mimic4Outcome):
    """One admission that the patient survived, one of four classes of days: those of mimic3-length-of-stay."""

    kind: ClassVar[Kind] = "classification"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = CLASSES
    title: ClassVar[str] = "Days in hospital in four classes, foretold from the notes written on admission (MIMIC-IV)"
    is_not: ClassVar[str] = (
        f"Not a bed planner: {FROM_SUMMARIES} Patients who died are left out, which nobody can do on admission. "
        f"{NOT_MIMIC3}"
    )

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """Survivors whose discharge is known, by their days."""
        return _Days(admissions)


class _Days(Judge):
    steps = ("survivors", "with-end-of-stay")

    def __init__(self, admissions: dict[int, Admission]) -> None:
        self._admissions = admissions

    def judge(self, hadm: int, text: str) -> Case | str:
        admission = self._admissions[hadm]
        if admission.died is not False:
            return "survivors"
        if admission.stay is None:
            return "with-end-of-stay"
        return Case(text, (class_of(admission.stay),))
