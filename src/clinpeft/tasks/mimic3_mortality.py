"""mimic3-mortality: will the patient die in hospital, judged by what was written on admission?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import open_table
from clinpeft.spec import Kind
from clinpeft.tasks._death_in_hospital import DIED, LABELS, SURVIVED, DeathJudge
from clinpeft.tasks._judging import Case, Judge, SplitName
from clinpeft.tasks._mimic3_notes import Admission
from clinpeft.tasks._mimic3_outcome import CORE_PAPER, FROM_SUMMARIES, MIMIC3_PAPER, Mimic3Outcome
from clinpeft.tasks._stays import moment
from clinpeft.tasks.base import BuildLog


class Mimic3Mortality(Mimic3Outcome):
    """One admission, one bit: HOSPITAL_EXPIRE_FLAG (van Aken et al. 2021, task MP).

    Admissions that end before they begin (organ donors after their death, slips of the pen) are left out, in paper mode
    kept.
    """

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
    has_paper_mode: ClassVar[bool] = True
    published: ClassVar[dict[SplitName, int]] = {"train": 33_954, "validation": 4_908, "test": 9_822}

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """Outcome and death filter."""
        died = {hadm: admission.died for hadm, admission in admissions.items()}
        if self.mode == "paper":
            return _PublishedDeaths(died)
        return _PossibleDeaths(died, read_impossible(raw, allow_modified=self.allow_modified))


def read_impossible(raw: RawFiles, *, allow_modified: bool = False) -> set[int]:
    """HADM_ID of the admissions whose DISCHTIME or DEATHTIME lies before their ADMITTIME."""
    columns = ("HADM_ID", "ADMITTIME", "DISCHTIME", "DEATHTIME")
    table = open_table(raw, "ADMISSIONS", columns, allow_modified=allow_modified)
    found: set[int] = set()
    for line, (hadm, *cells) in table:
        start, *ends = (moment(cell, table, line, name) for cell, name in zip(cells, columns[1:], strict=True))
        if start is not None and any(end is not None and end < start for end in ends):
            found.add(table.needed(hadm, "HADM_ID", line))
    return found


class _PublishedDeaths(DeathJudge):
    def expect(self, log: BuildLog, why: str | None) -> None:
        log.expect("survived, before the death filter", 43_609, self.num_before[SURVIVED], "A", why)
        log.expect("died, before the death filter", 5_136, self.num_before[DIED], "A", why)


class _PossibleDeaths(_PublishedDeaths):
    """The same without admissions that end before they begin."""

    steps = ("with-outcome", "times-in-order", "death-not-told")

    def __init__(self, died: Mapping[int, bool | None], impossible: set[int]) -> None:
        super().__init__(died)
        self._impossible = impossible
        self._num_impossible = 0

    def judge(self, hadm: int, text: str) -> Case | str:
        found = super().judge(hadm, text)
        if hadm not in self._impossible or found == "with-outcome":
            return found
        self._num_impossible += 1
        return "times-in-order"

    def reason(self) -> str | None:
        if not self._num_impossible:
            return None
        return f"{self._num_impossible} admissions that end before they begin are left out; --compat paper keeps them"
