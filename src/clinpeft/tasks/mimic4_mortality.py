"""mimic4-mortality: will the patient die in hospital, judged by what was written on admission?"""

from __future__ import annotations

import re
from collections import Counter
from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks._mimic4_notes import Admission, AdmissionNote
from clinpeft.tasks._mimic4_outcome import FROM_SUMMARIES, NOT_MIMIC3, Judge, Mimic4Outcome
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.mimic3_mortality import LEAKS, without_death_phrases


class Mimic4Mortality(Mimic4Outcome):
    """One admission, one bit: hospital_expire_flag."""

    kind: ClassVar[Kind] = "classification"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = ("survived", "died")
    positive: ClassVar[str | None] = "died"
    title: ClassVar[str] = "Death in hospital, foretold from the notes written on admission (MIMIC-IV)"
    is_not: ClassVar[str] = (
        f"Not a bedside score: {FROM_SUMMARIES} Death after discharge counts as survival. {NOT_MIMIC3}"
    )

    def judging(self, raw: RawFiles, log: BuildLog) -> Judge:
        """Outcome and death filter, as in mimic3-mortality."""
        return _Outcome()


class _Outcome(Judge):
    steps = ("with-outcome", "death-not-told")

    def __init__(self) -> None:
        self._num: Counter[str] = Counter()
        self._leaks: Counter[tuple[str, str]] = Counter()

    def judge(self, note: AdmissionNote, admission: Admission) -> tuple[str, tuple[str, ...]] | str:
        if admission.died is None:
            return "with-outcome"
        text = without_death_phrases(note.text)
        if text is None:
            return "death-not-told"
        label = "died" if admission.died else "survived"
        self._num[label] += 1
        self._leaks.update((label, phrase) for phrase, pattern in _LEAKS.items() if pattern.search(text))
        return text, (label,)

    def report(self, log: BuildLog) -> None:
        for label in ("survived", "died"):
            for phrase in LEAKS:
                count = self._leaks[label, phrase]
                log.filtered(f"counted-only: {label}, mentions '{phrase}'", count, self._num[label] - count)


_LEAKS = {phrase: re.compile(rf"\b{phrase}\b", re.IGNORECASE) for phrase in LEAKS}
