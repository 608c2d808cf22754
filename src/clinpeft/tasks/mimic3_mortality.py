"""mimic3-mortality: will the patient die in hospital, judged by what was written on admission?"""

from __future__ import annotations

from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks._death_in_hospital import DIED, LABELS, SURVIVED, DeathJudge
from clinpeft.tasks._judging import Judge, SplitName
from clinpeft.tasks._mimic3_notes import Admission
from clinpeft.tasks._mimic3_outcome import CORE_PAPER, FROM_SUMMARIES, MIMIC3_PAPER, Mimic3Outcome
from clinpeft.tasks.base import BuildLog


class Mimic3Mortality(Mimic3Outcome):
    """One admission, one bit: HOSPITAL_EXPIRE_FLAG (van Aken et al. 2021, task MP)."""

    kind: ClassVar[Kind] = "classification"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = LABELS
    positive: ClassVar[str | None] = DIED
    title: ClassVar[str] = "Death in hospital, foretold from the notes written on admission"
    citation: ClassVar[str] = f"{CORE_PAPER} {MIMIC3_PAPER}"
    is_not: ClassVar[str] = (
        f"Not a bedside score: {FROM_SUMMARIES} Death after discharge counts as survival. With `text=full` the note "
        "states the outcome."
    )
    published: ClassVar[dict[SplitName, int]] = {"train": 33_954, "validation": 4_908, "test": 9_822}

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """Outcome and death filter."""
        return _PublishedDeaths({hadm: admission.died for hadm, admission in admissions.items()})


class _PublishedDeaths(DeathJudge):
    def expect(self, log: BuildLog, why: str | None) -> None:
        log.expect("survived, before the death filter", 43_609, self.num_before[SURVIVED], "A", why)
        log.expect("died, before the death filter", 5_136, self.num_before[DIED], "A", why)
