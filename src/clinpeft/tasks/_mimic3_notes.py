"""The cohort and the admission notes that every MIMIC-III outcome task shares.

Follows van Aken et al. 2021 (CORe), tasks/mimic_utils.py of bvanaken/clinical-outcome-prediction at b376f4b. Two ties
are settled here that upstream leaves open: notes of one day stand in order of ROW_ID, and line ends are LF.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from clinpeft.errors import BadInput
from clinpeft.sources._tables import Table
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import open_table
from clinpeft.tasks._admission_notes import AdmissionNotes
from clinpeft.tasks.base import BuildLog

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clinpeft.sources._row_blocks import RowBlock

SEARCHED: dict[str, str] = {
    "CHIEF COMPLAINT": "chief complaint:",
    "PRESENT ILLNESS": "present illness:",
    "MEDICAL HISTORY": "medical history:",
    "MEDICATION ON ADMISSION": "medications on admission:",
    "ALLERGIES": "allergies:",
    "PHYSICAL EXAM": "physical exam:",
    "FAMILY HISTORY": "family history:",
    "SOCIAL HISTORY": "social history:",
}
"""By header of the admission note, the string that is looked for (case-insensitively, anywhere) in the full one."""
NEXT_HEADER = r"\n\n[^(\\|\d.)\n]+?:"
"""A section ends at an empty line that is followed by something like a header."""
_NEXT = re.compile(NEXT_HEADER)
NOTE_STEPS = (
    *("with-admission-id", "known-admission", "not-newborn", "with-text", "discharge-summary", "no-error-mark"),
)
"""What a note must pass to be a summary of the cohort, in the order in which the card counts it."""
KEPT = len(NOTE_STEPS)
_UNDATED = date.max.toordinal()


@dataclass(frozen=True, slots=True)
class Admission:
    """One row of ADMISSIONS, as far as the cohort needs it."""

    hadm: int
    subject: int
    admission_type: str | None
    died: bool | None
    """HOSPITAL_EXPIRE_FLAG; None when it is NULL."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One discharge summary or addendum."""

    day: int
    """CHARTDATE as a proleptic ordinal; notes without one sort last, as in pandas."""
    row_id: int
    subject: int
    hadm: int
    is_report: bool
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AdmissionNote:
    """All that was written of one admission; ids are those of its last report."""

    hadm: int
    subject: int
    row_id: int
    text: str = field(repr=False)


def read_admissions(raw: RawFiles, *, allow_modified: bool = False) -> dict[int, Admission]:
    """ADMISSIONS by HADM_ID. Raises BadInput for a repeated HADM_ID and for a flag that is neither 0, 1 nor NULL."""
    columns = ("SUBJECT_ID", "HADM_ID", "ADMISSION_TYPE", "HOSPITAL_EXPIRE_FLAG")
    table = open_table(raw, "ADMISSIONS", columns, allow_modified=allow_modified)
    admissions: dict[int, Admission] = {}
    for line, (subject, hadm_cell, kind, flag) in table:
        hadm = table.needed(hadm_cell, "HADM_ID", line)
        if hadm in admissions:
            raise BadInput(table.where(line), "repeats a HADM_ID", "download the file again")
        died = table.number(flag, "HOSPITAL_EXPIRE_FLAG", line)
        if died not in {None, 0, 1}:
            raise BadInput(f"{table.where(line)}, column HOSPITAL_EXPIRE_FLAG", "is neither 0 nor 1")
        outcome = None if died is None else bool(died)
        admissions[hadm] = Admission(hadm, table.needed(subject, "SUBJECT_ID", line), kind or None, outcome)
    if not admissions:
        raise BadInput(table.name, "holds no admissions", "download the file again")
    return admissions


def read_summaries(
    raw: RawFiles,
    admissions: dict[int, Admission],
    log: BuildLog,
    *,
    keeps_errors: bool = True,
    allow_modified: bool = False,
) -> list[Summary]:
    """The discharge summaries of the cohort in file order: NOTEEVENTS is read once, other notes are not kept.

    keeps_errors: also those that a physician marked as an error (ISERROR), as CORe does. Raises BadInput when
    NOTEEVENTS holds no rows, as in the demo release.
    """
    import numpy as np

    columns = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CATEGORY", "DESCRIPTION", "ISERROR", "TEXT")
    table = open_table(raw, "NOTEEVENTS", columns, allow_modified=allow_modified)
    num_dropped, admission_steps = np.zeros(len(NOTE_STEPS) + 1, int), _AdmissionSteps(admissions)
    summaries: list[Summary] = []
    for block in table.blocks():
        step = admission_steps.of(block, table)
        step[(step == KEPT) & block.is_empty("TEXT")] = NOTE_STEPS.index("with-text")
        step[(step == KEPT) & ~block.equals("CATEGORY", "Discharge summary")] = NOTE_STEPS.index("discharge-summary")
        if not keeps_errors:
            step[(step == KEPT) & block.equals("ISERROR", "1")] = NOTE_STEPS.index("no-error-mark")
        num_dropped += np.bincount(step, minlength=len(num_dropped))
        for line, cells in block.select(np.flatnonzero(step == KEPT)):
            summary = _summary(cells, line, table)
            if summary.subject != admissions[summary.hadm].subject:
                log.anomaly(table.name, line, "other-subject-than-in-admissions")
            summaries.append(summary)
    if not (num_read := int(num_dropped.sum())):
        raise BadInput(table.name, "this release has no notes", "the demo leaves them out: get the full MIMIC-III 1.4")
    log.filtered("notes-read", num_read, 0)
    for name, dropped in zip(NOTE_STEPS[: KEPT - keeps_errors], num_dropped.tolist(), strict=False):
        num_read -= dropped
        log.filtered(name, num_read, dropped)
    return summaries


def without_copies(summaries: Iterable[Summary]) -> list[Summary]:
    """In order of CHARTDATE and ROW_ID; of equal texts, also of different admissions, the last one stays."""
    last = {summary.text: summary for summary in sorted(summaries, key=_written)}
    return sorted(last.values(), key=_written)


def join_by_admission(summaries: Iterable[Summary], log: BuildLog) -> Iterator[AdmissionNote]:
    """One note an admission by ascending HADM_ID: its reports and addenda in the order given, an empty line between.

    Admissions with addenda only are left out.
    """
    texts: defaultdict[int, list[str]] = defaultdict(list)
    last_report: dict[int, tuple[int, int]] = {}
    for summary in summaries:
        texts[summary.hadm].append(summary.text)
        if summary.is_report:
            last_report[summary.hadm] = summary.subject, summary.row_id
    log.filtered("admissions", len(texts), 0)
    log.filtered("with-report", len(last_report), len(texts) - len(last_report))
    del summaries  # so that a text is gone once it is joined
    for hadm in sorted(last_report):
        yield AdmissionNote(hadm, *last_report[hadm], "\n\n".join(texts.pop(hadm)).strip())


def admission_notes(notes: Iterable[AdmissionNote], log: BuildLog) -> Iterator[AdmissionNote]:
    """The notes cut down to what was known on admission; those without any main section are left out.

    When all are read, `log` holds how many admissions have each section.
    """
    made = AdmissionNotes()
    for note in notes:
        text = made.made_of(admission_sections(note.text))
        if text is not None:
            yield AdmissionNote(note.hadm, note.subject, note.row_id, text)
    made.report(log)


def admission_sections(text: str) -> dict[str, str]:
    """The bodies of the eight admission sections, each on one line; an empty string where a section is missing.

    A body runs to the first empty line that is followed by a header-like line. The first occurrence of a section that
    ends so wins; a section that ends the note is not found.

    >>> admission_sections("Chief Complaint:\\nchest pain\\n\\nService: CCU")["CHIEF COMPLAINT"]
    'chest pain'
    """
    starts = _body_starts(text)
    return {header: _body(text, starts.get(searched)) for header, searched in SEARCHED.items()}


def _body_starts(text: str) -> dict[str, int]:
    """Where the first occurrence of each string of SEARCHED ends. Later ones cannot be completed if it cannot."""
    if text.isascii():
        lower = text.lower()
        return {
            searched: start + len(searched) for searched in SEARCHED.values() if (start := lower.find(searched)) >= 0
        }
    # Other letters may equal ASCII ones, or change their length in lower case.
    found = {searched: re.search(searched, text, re.IGNORECASE) for searched in SEARCHED.values()}
    return {searched: match.end() for searched, match in found.items() if match}


def _body(text: str, start: int | None) -> str:
    end = _NEXT.search(text, start + 1) if start is not None else None
    return text[start : end.start()].replace("\n", " ").strip() if end else ""


class _AdmissionSteps:
    """The step of NOTE_STEPS that notes fail by their admission, or KEPT."""

    def __init__(self, admissions: dict[int, Admission]) -> None:
        import numpy as np

        self._hadms = np.array(sorted(admissions))
        newborn, passed = NOTE_STEPS.index("not-newborn"), KEPT
        types = [admissions[hadm].admission_type for hadm in self._hadms.tolist()]
        self._steps = np.array([newborn if kind == "NEWBORN" else passed for kind in types])

    def of(self, block: RowBlock, table: Table) -> NDArray[np.int64]:
        """For each row of the block. Raises BadInput for a HADM_ID that is no whole number."""
        import numpy as np

        hadms, is_null = block.numbers("HADM_ID"), block.is_empty("HADM_ID")
        for row in np.flatnonzero((hadms < 0) & ~is_null).tolist():
            hadms[row] = table.needed(block.cell("HADM_ID", row), "HADM_ID", int(block.lines[row]))
        place = np.searchsorted(self._hadms, hadms).clip(max=len(self._hadms) - 1)
        is_known = self._hadms[place] == hadms
        steps = np.where(is_known, self._steps[place], NOTE_STEPS.index("known-admission"))
        return np.where(is_null, NOTE_STEPS.index("with-admission-id"), steps)


def _summary(cells: list[str], line: int, table: Table) -> Summary:
    row_id, subject, hadm, day, _, description, _, text = cells
    return Summary(
        day=_ordinal(day, table, line),
        row_id=table.needed(row_id, "ROW_ID", line),
        subject=table.needed(subject, "SUBJECT_ID", line),
        hadm=table.needed(hadm, "HADM_ID", line),
        is_report=description == "Report",
        text=text.replace("\r\n", "\n") if "\r" in text else text,
    )


def _written(summary: Summary) -> tuple[int, int]:
    return summary.day, summary.row_id


def _ordinal(cell: str, table: Table, line: int) -> int:
    """CHARTDATE is a date, or a timestamp at midnight."""
    if not cell:
        return _UNDATED
    try:
        return date.fromisoformat(cell[:10]).toordinal()
    except ValueError:
        raise BadInput(f"{table.where(line)}, column CHARTDATE", "is no date (YYYY-MM-DD)") from None
