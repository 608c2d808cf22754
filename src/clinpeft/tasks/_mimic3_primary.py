"""The stated main diagnosis of an admission: what the ICD-9 triage and top-50 tasks of MIMIC-III share.

Follows Taylor et al. 2022 (repository NtaylorOX/Public_Clinical_Prompt at 36361c5), read for its facts only.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks._admission_notes import STATED_SECTIONS
from clinpeft.tasks._hash_split import split_by_hash
from clinpeft.tasks._judging import Case, SplitName
from clinpeft.tasks._mimic3_codes import CodeTable, read_codes
from clinpeft.tasks._mimic3_notes import (
    Admission,
    AdmissionNote,
    Summary,
    admission_notes,
    join_by_admission,
    read_admissions,
    read_summaries,
    without_copies,
)
from clinpeft.tasks._mimic3_outcome import MIMIC3_DOWNLOAD, MIMIC3_PAPER, explained
from clinpeft.tasks._physionet import PhysioNetTask
from clinpeft.tasks.base import BuildLog, Example

PRIMARY_PAPER = (
    "Niall Taylor, Yi Zhang, Dan W. Joyce, Ziming Gao, Andrey Kormilitzin, Alejo Nevado-Holgado. Clinical Prompt "
    "Learning with Frozen Language Models. IEEE Transactions on Neural Networks and Learning Systems (2023; arXiv "
    "2205.05535)."
)
STATED = (
    "Not a prediction: the discharge summary states the diagnosis, so the task is to find it; with `text=admission` it "
    "reads the sections written on admission instead, where there are any."
)
SEED = 42
MASKED = "___"
"""Stands for what MIMIC-III masks as `[**…**]`; the same as in MIMIC-IV."""
_MASKS = re.compile(r"\[\*\*.*?\*\*\]", re.DOTALL)
_BRACKETS = re.compile(r"\[.*?\]", re.DOTALL)
_PHRASES = ("FINAL REPORT", "Admission Date", "ID", " MD", " IV", " III", ")", " am", " pm")
_DELETED = re.compile("|".join(re.escape(phrase) for phrase in _PHRASES))
_SIGNS = re.compile(r"[_#\d]")


@dataclass(frozen=True, slots=True)
class Row:
    """An admission with a main diagnosis and a main procedure, and its split."""

    note: AdmissionNote
    code: str
    split: SplitName


@dataclass(frozen=True, slots=True)
class Codebook:
    """Which codes are classes, and what must not be read in the notes."""

    labels: Callable[[Sequence[Row]], Mapping[str, str]]
    """From all rows to the class by code; rows with other codes are dropped."""
    hidden: re.Pattern[str] | None = None
    """Wordings taken out of the notes."""


class Mimic3Primary(PhysioNetTask):
    """One admission, its first-listed ICD-9 diagnosis; newborns are kept."""

    kind: ClassVar[Kind] = "classification"
    source: ClassVar[str] = "mimic3"
    metric: ClassVar[str] = "auroc"
    citation: ClassVar[str] = f"{PRIMARY_PAPER} {MIMIC3_PAPER}"
    download: ClassVar[str] = MIMIC3_DOWNLOAD
    sections: ClassVar[tuple[str, ...]] = STATED_SECTIONS
    has_paper_mode: ClassVar[bool] = True

    text: Literal["full", "admission"] = "full"
    """`admission` cuts the summary down to the sections written on admission."""
    clean: Literal["none", "paper"] = "none"
    """`none` writes `___` for masked names; `paper` deletes them, digits, and the known nine of some 43 phrases."""
    split: Literal["hash", "paper"] = "hash"
    """`paper` parts rows 60/20/20 with seed 42 whoever the patient is; the published order of rows is not known."""

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, value: Any) -> Any:
        is_paper = isinstance(value, dict) and value.get("mode") == "paper"
        return {"split": "paper", "clean": "paper", **value} if is_paper else value

    def keeps_together(self) -> str | None:
        """Rows are parted one by one in the published split."""
        return "subject" if self.split == "hash" else None

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """Admissions by ascending HADM_ID: subject SUBJECT_ID, document the ROW_ID of the last note."""
        admissions = read_admissions(raw, allow_modified=self.allow_modified)
        codes = self._main_codes(raw, log, explained(log, len(admissions)))
        codebook = self.codebook(raw, log)
        rows = self._rows(self._notes(raw, admissions, codebook, log), codes, log)
        labels = codebook.labels(rows)
        chosen = [row for row in rows if row.code in labels]
        log.filtered("with-a-listed-code", len(chosen), len(rows) - len(chosen))
        if self.split == "paper" and self.text == "full":
            num = Counter(labels[row.code] for row in chosen if row.split == "train")
            self.expect(log, num, explained(log, len(admissions)))
        for row in chosen:
            yield Case(row.note.text, (labels[row.code],)).example(
                self.kind,
                hadm=row.note.hadm,
                subject=row.note.subject,
                document=str(row.note.row_id),
                admission_type=admissions[row.note.hadm].admission_type,
                split=row.split if self.split == "paper" else None,
            )

    def codebook(self, raw: RawFiles, log: BuildLog) -> Codebook:
        """Which codes are classes; it reads the files that it needs, so that a broken one ends the build early."""
        raise NotImplementedError

    def expect(self, log: BuildLog, num_train: Counter[str], why: str | None) -> None:
        """Lay published counts of training examples by class beside ours: published split, whole summaries."""

    def _main_codes(self, raw: RawFiles, log: BuildLog, why: str | None) -> dict[int, str]:
        """The main diagnosis by HADM_ID, of admissions that have a main procedure too."""
        tables: tuple[CodeTable, CodeTable] = ("DIAGNOSES_ICD", "PROCEDURES_ICD")
        diagnoses, procedures = (self._first_listed(raw, table, log, why) for table in tables)
        return {hadm: code for hadm, code in diagnoses.items() if hadm in procedures}

    def _first_listed(self, raw: RawFiles, table: CodeTable, log: BuildLog, why: str | None) -> dict[int, str]:
        codes: dict[int, str] = {}
        num_repeated = 0
        for hadm, position, code in read_codes(raw, table, log, why, allow_modified=self.allow_modified):
            if position == 1:
                num_repeated += codes.setdefault(hadm, code) != code
        if num_repeated:
            log.anomaly(table, None, "several-codes-of-rank-1")
        return codes

    def _notes(
        self, raw: RawFiles, admissions: dict[int, Admission], codebook: Codebook, log: BuildLog
    ) -> Iterator[AdmissionNote]:
        summaries = self._summaries(raw, admissions, log)
        if self.text == "full":
            # One at a time, so that the texts never stand in memory twice.
            for index, summary in enumerate(summaries):
                summaries[index] = replace(summary, text=self._polished(summary.text, codebook))
        originals = _first_of_each(summaries) if self.mode == "paper" else without_copies(summaries)
        log.filtered("no-exact-copies", len(originals), len(summaries) - len(originals))
        if self.text == "full":
            yield from _joined(originals, " " if self.mode == "paper" else "\n\n", log)
            return
        for note in admission_notes(join_by_admission(originals, log), log):
            yield replace(note, text=self._polished(note.text, codebook))

    def _summaries(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> list[Summary]:
        """Of all admissions: told of no type, the reader keeps newborns too. The published pipeline keeps errors."""
        untyped = {hadm: replace(admission, admission_type=None) for hadm, admission in admissions.items()}
        steps = BuildLog()
        is_paper = self.mode == "paper"
        summaries = read_summaries(raw, untyped, steps, keeps_errors=is_paper, allow_modified=self.allow_modified)
        log.filters.extend(step for step in steps.filters if step[0] != "not-newborn")
        log.anomalies.extend(steps.anomalies)
        return summaries

    def _polished(self, text: str, codebook: Codebook) -> str:
        if codebook.hidden is not None:
            text = codebook.hidden.sub("", text)
        return cleaned_as_published(text) if self.clean == "paper" else _MASKS.sub(MASKED, text)

    def _rows(self, notes: Iterable[AdmissionNote], codes: dict[int, str], log: BuildLog) -> list[Row]:
        num_notes, coded = 0, list[AdmissionNote]()
        for note in notes:
            num_notes += 1
            if note.hadm in codes:
                coded.append(note)
        log.filtered("with-main-diagnosis-and-procedure", len(coded), num_notes - len(coded))
        if self.split == "paper":
            splits = split_of_rows(len(coded), is_swapped=self.mode == "paper")
        else:
            splits = [split_by_hash(self.source, str(note.subject)) for note in coded]
        return [Row(note, codes[note.hadm], split) for note, split in zip(coded, splits, strict=True)]


def cleaned_as_published(text: str) -> str:
    """The text without what stands in brackets, administrative phrases, digits, `_` and `#`, on one line.

    >>> cleaned_as_published("Admission Date: [**2101-3-1**]\\nIDDM, 61 yo w/ pain")
    ': DM, yo with pain'
    """
    text = _DELETED.sub("", _BRACKETS.sub("", text))
    return " ".join(_SIGNS.sub("", text.replace("w/", "with")).split())


def split_of_rows(num_rows: int, *, is_swapped: bool) -> list[SplitName]:
    """A split of every row: 60/20/20, as two calls of pandas' `sample(frac, random_state=42)` draw it.

    80 % of the rows are sampled, the rest is test; of the sample 25 % are validation. is_swapped: the published files
    of validation and test bear each other's names.
    """
    import numpy as np

    held_out: tuple[SplitName, SplitName] = ("test", "validation") if is_swapped else ("validation", "test")
    validation, test = held_out
    splits: list[SplitName] = [test] * num_rows
    sampled = np.random.RandomState(SEED).permutation(num_rows)[: round(0.8 * num_rows)]
    chosen = np.random.RandomState(SEED).permutation(len(sampled))[: round(0.25 * len(sampled))]
    for row in sampled:
        splits[row] = "train"
    for place in chosen:
        splits[sampled[place]] = validation
    return splits


def _first_of_each(summaries: Sequence[Summary]) -> list[Summary]:
    first: dict[str, Summary] = {}
    for summary in summaries:
        first.setdefault(summary.text, summary)
    return list(first.values())


def _joined(summaries: Iterable[Summary], separator: str, log: BuildLog) -> Iterator[AdmissionNote]:
    """One note an admission by ascending HADM_ID, named after its last summary; addenda alone are enough."""
    by_admission: defaultdict[int, list[Summary]] = defaultdict(list)
    for summary in summaries:
        by_admission[summary.hadm].append(summary)
    log.filtered("admissions", len(by_admission), 0)
    for hadm in sorted(by_admission):
        own = by_admission.pop(hadm)
        yield AdmissionNote(hadm, own[-1].subject, own[-1].row_id, separator.join(one.text for one in own).strip())
