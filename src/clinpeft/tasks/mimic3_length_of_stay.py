"""mimic3-length-of-stay: how long will the patient stay in hospital, judged by what was written on admission?"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import open_table
from clinpeft.spec import Kind
from clinpeft.tasks._judging import Case, Judge, SplitName
from clinpeft.tasks._mimic3_notes import Admission
from clinpeft.tasks._mimic3_outcome import CORE_PAPER, FROM_SUMMARIES, MIMIC3_PAPER, Mimic3Outcome
from clinpeft.tasks._stays import CLASSES, class_of, moment
from clinpeft.tasks.base import BuildLog

PUBLISHED_CLASSES = dict(zip(CLASSES, (5_596, 16_134, 13_391, 8_488), strict=True))


class Mimic3LengthOfStay(Mimic3Outcome):
    """One admission that the patient survived, one of four classes of days (van Aken et al. 2021, task LOS)."""

    kind: ClassVar[Kind] = "classification"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = CLASSES
    title: ClassVar[str] = "Days in hospital in four classes, foretold from the notes written on admission"
    citation: ClassVar[str] = f"{CORE_PAPER} {MIMIC3_PAPER}"
    is_not: ClassVar[str] = (
        f"Not a bed planner: {FROM_SUMMARIES} Patients who died are left out, which nobody can do on admission. The "
        "published AUROC averages over pairs of classes (one-vs-one), which is `auroc-ovo` here; `auroc` takes each "
        "class against the rest."
    )
    has_paper_mode: ClassVar[bool] = True
    published: ClassVar[dict[SplitName, int]] = {"train": 30_421, "validation": 4_391, "test": 8_797}

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """Survivors by their days; in paper mode a stay that ends before it begins falls into the first class."""
        stays = read_stays(raw, allow_modified=self.allow_modified)
        return _Days(admissions, stays, keeps_negative=self.mode == "paper")


def read_stays(raw: RawFiles, *, allow_modified: bool = False) -> dict[int, timedelta]:
    """DISCHTIME less ADMITTIME by HADM_ID; admissions without one of both times are left out."""
    table = open_table(raw, "ADMISSIONS", ("HADM_ID", "ADMITTIME", "DISCHTIME"), allow_modified=allow_modified)
    stays: dict[int, timedelta] = {}
    for line, (hadm, admitted, discharged) in table:
        start = moment(admitted, table, line, "ADMITTIME")
        end = moment(discharged, table, line, "DISCHTIME")
        if start is not None and end is not None:
            stays[table.needed(hadm, "HADM_ID", line)] = end - start
    return stays


class _Days(Judge):
    steps = ("survivors", "with-times", "discharged-after-admission")

    def __init__(self, admissions: dict[int, Admission], stays: dict[int, timedelta], *, keeps_negative: bool) -> None:
        self._admissions, self._stays, self._keeps_negative = admissions, stays, keeps_negative
        self._num: Counter[str] = Counter()
        self._num_negative = 0

    def judge(self, hadm: int, text: str) -> Case | str:
        if self._admissions[hadm].died is not False:
            return "survivors"
        if hadm not in self._stays:
            return "with-times"
        stay = self._stays[hadm]
        label = class_of(stay)
        self._num[label] += 1
        if stay < timedelta(0):
            self._num_negative += 1
            if not self._keeps_negative:
                return "discharged-after-admission"
        return Case(text, (label,))

    def report(self, log: BuildLog) -> None:
        if self._keeps_negative and self._num_negative:
            log.anomaly("ADMISSIONS", None, "discharged-before-admission")

    def reason(self) -> str | None:
        if self._keeps_negative or not self._num_negative:
            return None
        return f"{self._num_negative} stays that end before they begin are left out; --compat paper keeps them"

    def expect(self, log: BuildLog, why: str | None) -> None:
        for label, published in PUBLISHED_CLASSES.items():
            log.expect(f"{label}, with negative stays", published, self._num[label], "A", why)
