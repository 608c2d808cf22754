"""What the outcome tasks of MIMIC-III share: cohort, admission note, published lists of patients, counts for the card.

Follows van Aken et al. 2021 (CORe), repository bvanaken/clinical-outcome-prediction at b376f4b.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clinpeft.errors import BadInput
from clinpeft.sources._damage import decoded
from clinpeft.sources.base import RawFiles
from clinpeft.tasks._judging import Judge, SplitName, report_steps
from clinpeft.tasks._leaks import AdmissionTask, LeakFilter
from clinpeft.tasks._mimic3_notes import (
    Admission,
    AdmissionNote,
    admission_notes,
    join_by_admission,
    read_admissions,
    read_summaries,
    without_copies,
)
from clinpeft.tasks.base import BuildLog, Example

CORE_FILES: dict[SplitName, str] = {
    "train": "mimic_train.csv",
    "validation": "mimic_val.csv",
    "test": "mimic_test.csv",
}
CORE_PAPER = (
    "Betty van Aken, Jens-Michalis Papaioannou, Manuel Mayrdorfer, Klemens Budde, Felix Gers, Alexander Löser. "
    "Clinical Outcome Prediction from Admission Notes using Self-Supervised Knowledge Integration. EACL 2021, 881-893."
)
MIMIC3_PAPER = (
    "Data: Alistair Johnson, Tom Pollard, Lu Shen et al. MIMIC-III, a freely accessible critical care database. "
    "Scientific Data 3, 160035 (2016)."
)
MIMIC3_DOWNLOAD = "https://physionet.org/content/mimiciii/1.4/ (credentialed access)"
FROM_SUMMARIES = (
    "admission notes are cut out of summaries written at discharge, from one hospital's intensive-care patients of "
    "2001-2012, so hindsight remains in them."
)
NUM_ADMISSIONS, NUM_NOTES = 58_976, 2_083_180
"""Rows of ADMISSIONS and NOTEEVENTS in release 1.4."""


class Mimic3Cohort(AdmissionTask):
    """Admissions of adults, their notes on admission, and labels that a Judge gives."""

    source: ClassVar[str] = "mimic3"
    download: ClassVar[str] = MIMIC3_DOWNLOAD
    published: ClassVar[dict[SplitName, int]]
    """Examples by split, verified."""

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """The Judge of one build; it reads the tables that it needs, so that a broken one ends the build early."""
        raise NotImplementedError

    def listed(self, raw: RawFiles) -> dict[int, SplitName] | None:
        """Split by SUBJECT_ID where patients are listed; others vanish then."""
        return None

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """Admissions by ascending HADM_ID: subject SUBJECT_ID, document the ROW_ID of the last report."""
        split_of = self.listed(raw)
        admissions = read_admissions(raw, allow_modified=self.allow_modified)
        judge = self.judging(raw, admissions, log)
        leaks, tally = LeakFilter(self), _Tally()
        for note in self._notes(raw, admissions, log):
            tally.notes += 1
            tally.subjects.add(note.subject)
            case = judge.judge(note.hadm, note.text)
            if isinstance(case, str):
                tally.dropped[case] += 1
            elif split_of is not None and note.subject not in split_of:
                tally.dropped["listed-by-core"] += 1
            else:
                case = leaks.cleaned(case)
                judge.kept(case)
                split = case.split if split_of is None else split_of[note.subject]
                tally.splits[split] += 1
                yield case.example(
                    self.kind,
                    hadm=note.hadm,
                    subject=note.subject,
                    document=str(note.row_id),
                    admission_type=admissions[note.hadm].admission_type,
                    split=split,
                )
        steps = (*judge.steps, *(() if split_of is None else ("listed-by-core",)))
        report_steps(log, steps, tally.notes, tally.dropped)
        leaks.report(log)
        judge.report(log)
        if self.text == "admission":
            why = explained(log, len(admissions))
            tally.expect_cohort(log, why)
            judge.expect(log, why)
            tally.expect_splits(log, self.published, why or judge.reason())

    def _notes(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Iterator[AdmissionNote]:
        summaries = read_summaries(raw, admissions, log, allow_modified=self.allow_modified)
        originals = without_copies(summaries)
        log.filtered("no-exact-copies", len(originals), len(summaries) - len(originals))
        notes = join_by_admission(originals, log)
        if self.text == "full":
            log.anomaly("NOTEEVENTS", None, "full-text-states-the-outcome")
            return notes
        return admission_notes(notes, log)


class Mimic3Outcome(Mimic3Cohort):
    """A task of van Aken et al. 2021, split by their lists of patients or by a hash of the patient."""

    split: Literal["hash", "core"] = "hash"
    """`core` takes the published lists of patients; only then are scores comparable with published ones."""
    core_split_dir: str | None = Field(default=None, exclude=True)
    """A clone of bvanaken/clinical-outcome-prediction; implies `split=core`. The card lists its files' checksums."""

    @model_validator(mode="before")
    @classmethod
    def _core_by_its_folder(cls, value: Any) -> Any:
        has_folder = isinstance(value, dict) and value.get("core_split_dir") is not None
        return {"split": "core", **value} if has_folder else value

    @model_validator(mode="after")
    def _folder_fits_split(self) -> Self:
        if (self.split == "core") != (self.core_split_dir is not None):
            raise ValueError("split=core and core_split_dir belong together")
        return self

    def listed(self, raw: RawFiles) -> dict[int, SplitName] | None:
        """The published lists, where the user points at them."""
        return read_core_split(Path(self.core_split_dir), raw) if self.core_split_dir is not None else None


def read_core_split(folder: Path, raw: RawFiles) -> dict[int, SplitName]:
    """SUBJECT_ID to split from the three lists of the CORe repository (one column, repeats allowed).

    Raises BadInput when a list is missing, broken, or shares a patient with another.
    """
    split_of: dict[int, SplitName] = {}
    for split, name in CORE_FILES.items():
        found = sorted(folder.rglob(name)) if folder.is_dir() else []
        if len(found) != 1:
            rule = f"holds {len(found)} files {name} where one is needed"
            raise BadInput(str(folder), rule, "give a clone of bvanaken/clinical-outcome-prediction")
        raw.note(found[0], f"core_split_dir/{name}")
        for subject in _listed_subjects(found[0]):
            if split_of.setdefault(subject, split) != split:
                raise BadInput(name, "lists a patient of another split too", "fetch the repository again")
    return split_of


def explained(log: BuildLog, num_admissions: int) -> str | None:
    """Why counts may differ from published ones, as far as the tables' sizes tell; None for complete tables."""
    num_notes = next((kept for step, kept, _ in log.filters if step == "notes-read"), NUM_NOTES)
    short = [
        f"{table} holds {got:,} of {complete:,} rows"
        for table, got, complete in (
            ("ADMISSIONS", num_admissions, NUM_ADMISSIONS),
            ("NOTEEVENTS", num_notes, NUM_NOTES),
        )
        if got != complete
    ]
    return " and ".join(short) or None


def _listed_subjects(path: Path) -> Iterator[int]:
    for line, cell in enumerate(decoded(path.read_bytes(), path.name).removeprefix("\ufeff").splitlines(), start=1):
        if line == 1 and cell.strip('"').upper() != "SUBJECT_ID":
            raise BadInput(f"{path.name}, line 1", "is not the header SUBJECT_ID", "fetch the repository again")
        if line > 1:
            if not re.fullmatch(r"[0-9]{1,18}", cell.strip('"')):
                raise BadInput(f"{path.name}, line {line}", "is no SUBJECT_ID", "fetch the repository again")
            yield int(cell.strip('"'))


@dataclass
class _Tally:
    """What the card says of the last steps."""

    notes: int = 0
    subjects: set[int] = field(default_factory=set)
    dropped: Counter[str] = field(default_factory=Counter)
    splits: Counter[SplitName | None] = field(default_factory=Counter)

    def expect_cohort(self, log: BuildLog, why: str | None) -> None:
        log.expect("admissions with a main section", 48_745, self.notes, "V", why)
        log.expect("patients with a main section", 37_321, len(self.subjects), "V", why)

    def expect_splits(self, log: BuildLog, published: dict[SplitName, int], why: str | None) -> None:
        log.expect("examples", sum(published.values()), self.splits.total(), "V", why)
        for split, num in published.items() if None not in self.splits else ():
            log.expect(f"examples in {split}", num, self.splits[split], "V", why)
