"""What the outcome tasks of MIMIC-IV share: card, cohort, and the steps from an admission note to an example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from clinpeft.sources.base import RawFiles
from clinpeft.tasks._judging import Judge, SplitName, report_steps
from clinpeft.tasks._leaks import AdmissionTask, LeakFilter
from clinpeft.tasks._mimic4_notes import (
    Admission,
    AdmissionNote,
    Summary,
    admission_notes,
    join_by_admission,
    read_admissions,
    read_summaries,
    whole_notes,
    without_copies,
)
from clinpeft.tasks._mimic4_years import split_by_years
from clinpeft.tasks.base import BuildLog, Example

MIMIC4_CITATION = (
    "Made as by Betty van Aken, Jens-Michalis Papaioannou, Manuel Mayrdorfer, Klemens Budde, Felix Gers, Alexander "
    "Löser. Clinical Outcome Prediction from Admission Notes using Self-Supervised Knowledge Integration. EACL 2021, "
    "881-893. Data: Alistair Johnson, Lucas Bulgarelli, Lu Shen et al. MIMIC-IV, a freely accessible electronic health "
    "record dataset. Scientific Data 10, 1 (2023). Alistair Johnson, Tom Pollard, Steven Horng, Leo Anthony Celi, "
    "Roger Mark. MIMIC-IV-Note 2.2. PhysioNet (2023)."
)
FROM_SUMMARIES = (
    "admission notes are cut out of summaries written at discharge, from one hospital's patients of 2008-2022, so "
    "hindsight remains in them."
)
NOT_MIMIC3 = (
    "No published split, no published scores; ours is a hash of the patient, or by time (`split`). Patients of "
    "2008-2012 stand in MIMIC-III too, under other ids: a model trained on one must not be tested on the other."
)


class Mimic4Outcome(AdmissionTask):
    """Admissions, their notes on admission, and labels that a Judge gives."""

    source: ClassVar[str] = "mimic4"
    citation: ClassVar[str] = MIMIC4_CITATION
    download: ClassVar[str] = (
        "https://physionet.org/content/mimiciv/3.1/ and https://physionet.org/content/mimic-iv-note/2.2/ (credentialed "
        "access)"
    )

    split: Literal["hash", "anchor_year_group"] = Field(default="hash", exclude_if=lambda value: value == "hash")
    """`anchor_year_group` splits by time: the patients of the newest years with notes are test (as few groups as hold
    a tenth of the patients), train and validation are drawn 7 to 1 by the hash from the older ones. Of MIMIC's dates,
    shifted for each patient apart, none has an order."""

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """The Judge of one build; it reads the tables that it needs, so that a broken one ends the build early."""
        raise NotImplementedError

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """Admissions by ascending hadm_id: subject subject_id, document the note_id of the last report."""
        admissions = read_admissions(raw, log, allow_modified=self.allow_modified)
        judge = self.judging(raw, admissions, log)
        leaks, dropped = LeakFilter(self), Counter[str]()
        is_whole = self.text == "full"
        summaries = read_summaries(raw, admissions, log, is_whole=is_whole, allow_modified=self.allow_modified)
        split_of = self._splits(raw, summaries, log)
        num_notes = 0
        for note in self._notes(summaries, log):
            num_notes += 1
            case = judge.judge(note.hadm, note.text)
            if isinstance(case, str):
                dropped[case] += 1
                continue
            case = leaks.cleaned(case)
            judge.kept(case)
            yield case.example(
                self.kind,
                hadm=note.hadm,
                subject=note.subject,
                document=note.document,
                admission_type=admissions[note.hadm].admission_type,
                split=split_of.get(note.subject),
            )
        report_steps(log, judge.steps, num_notes, dropped)
        leaks.report(log)
        judge.report(log)

    def _splits(self, raw: RawFiles, summaries: list[Summary], log: BuildLog) -> dict[int, SplitName]:
        """By subject; empty where `data.build` splits by the hash."""
        if self.split == "hash":
            return {}
        subjects = {summary.subject for summary in summaries}
        return split_by_years(raw, subjects, log, allow_modified=self.allow_modified)

    def _notes(self, summaries: list[Summary], log: BuildLog) -> Iterator[AdmissionNote]:
        joined = join_by_admission(without_copies(summaries, log), log)
        if self.text == "full":
            log.anomaly("discharge", None, "full-text-states-the-outcome")
            return whole_notes(joined)
        return admission_notes(joined, log)
