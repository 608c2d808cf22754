"""The cohort and the admission notes that every MIMIC-IV outcome task shares.

Made like those of MIMIC-III (van Aken et al. 2021), as far as the releases allow: discharge summaries of all
admissions, exact copies left out, reports and addenda of an admission joined, sections written on admission kept.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clinpeft.errors import BadInput
from clinpeft.sources._tables import Table
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic4 import open_table
from clinpeft.tasks._admission_notes import SECTIONS, AdmissionNotes
from clinpeft.tasks._mimic4_sections import admission_sections
from clinpeft.tasks._stays import moment
from clinpeft.tasks.base import BuildLog

NUM_ADMISSIONS, NUM_ADMISSIONS_2_2, NUM_SUMMARIES = 546_028, 431_231, 331_793
"""Rows of admissions in MIMIC-IV 3.1 and 2.2, and of discharge in MIMIC-IV-Note 2.2."""
NOTE_STEPS = (
    *("with-admission-id", "known-admission", "times-in-order", "summary-or-addendum", "with-text", "own-note-id"),
)
"""What a note must pass to be a summary of the cohort, in the order in which the card counts it."""
_TIMES = ("ADMITTIME", "DISCHTIME", "DEATHTIME")


@dataclass(frozen=True, slots=True)
class Admission:
    """One row of admissions, as far as the cohort needs it."""

    subject: int
    admission_type: str | None
    died: bool | None
    """hospital_expire_flag; None when it is NULL."""
    stay: timedelta | None
    """dischtime less admittime; None when the admission has no end."""
    is_in_order: bool
    """Neither death nor discharge comes before the admission."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One discharge summary (DS) or addendum (AD), cut down to what is used of it."""

    note: str
    subject: int
    hadm: int
    is_report: bool
    written: tuple[datetime, int]
    """charttime and note_seq; notes without a time come last."""
    digest: bytes
    """Of the whole text: equal texts have equal ones."""
    kept: tuple[str, ...] = field(repr=False)
    """Its eight sections, or the whole text alone."""


@dataclass(frozen=True, slots=True)
class AdmissionNote:
    """All that is used of one admission's notes; `document` is the note_id of its last report."""

    hadm: int
    subject: int
    document: str
    text: str = field(repr=False)


def read_admissions(raw: RawFiles, log: BuildLog, *, allow_modified: bool = False) -> dict[int, Admission]:
    """Admissions by hadm_id. Raises BadInput for a repeated hadm_id, a flag that is neither 0, 1 nor NULL, a time that
    is none, and a table without rows."""
    columns = ("subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type", "hospital_expire_flag")
    table = open_table(raw, "admissions", columns, allow_modified=allow_modified)
    admissions: dict[int, Admission] = {}
    for line, (subject, hadm_cell, *times, kind, flag) in table:
        hadm = table.needed(hadm_cell, "HADM_ID", line)
        if hadm in admissions:
            raise BadInput(table.where(line), "repeats a hadm_id", "download the file again")
        died = table.number(flag, "HOSPITAL_EXPIRE_FLAG", line)
        if died not in {None, 0, 1}:
            raise BadInput(f"{table.where(line)}, column HOSPITAL_EXPIRE_FLAG", "is neither 0 nor 1")
        moments = (moment(cell, table, line, column) for cell, column in zip(times, _TIMES, strict=True))
        admitted, discharged, deceased = moments
        if admitted is None:
            raise BadInput(f"{table.where(line)}, column ADMITTIME", "is empty", "download the file again")
        admissions[hadm] = Admission(
            subject=table.needed(subject, "SUBJECT_ID", line),
            admission_type=kind or None,
            died=None if died is None else bool(died),
            stay=None if discharged is None else discharged - admitted,
            is_in_order=all(moment is None or moment >= admitted for moment in (discharged, deceased)),
        )
    if not admissions:
        raise BadInput(table.name, "holds no admissions", "download the file again")
    why = f"MIMIC-IV 2.2 has {NUM_ADMISSIONS_2_2:,}" if len(admissions) == NUM_ADMISSIONS_2_2 else None
    log.expect("rows of admissions", NUM_ADMISSIONS, len(admissions), "V", why)
    return admissions


def read_summaries(
    raw: RawFiles,
    admissions: dict[int, Admission],
    log: BuildLog,
    *,
    is_whole: bool = False,
    allow_modified: bool = False,
) -> list[Summary]:
    """The discharge summaries of the cohort in file order, each cut down at once unless `is_whole`.

    Raises BadInput when the table holds no rows, and for a note_seq, a charttime or an id that is none.
    """
    columns = ("note_id", "subject_id", "hadm_id", "note_type", "note_seq", "charttime", "text")
    table = open_table(raw, "discharge", columns, allow_modified=allow_modified)
    num_read, num_dropped = 0, dict.fromkeys(NOTE_STEPS, 0)
    seen: set[str] = set()
    summaries: list[Summary] = []
    for line, cells in table:
        num_read += 1
        note, _, hadm, kind, *_, text = cells
        if step := _dropped_at(table.number(hadm, "HADM_ID", line), admissions, kind, text, note in seen):
            num_dropped[step] += 1
            if step == "own-note-id":
                log.anomaly(table.name, line, "repeats-a-note-id")
            continue
        seen.add(note)
        summary = _summary(cells, table, line, is_whole=is_whole)
        if summary.subject != admissions[summary.hadm].subject:
            log.anomaly(table.name, line, "other-subject-than-in-admissions")
        summaries.append(summary)
    if num_read == 0:
        raise BadInput(table.name, "this release has no notes", "get MIMIC-IV-Note, a download of its own")
    log.expect("rows of discharge", NUM_SUMMARIES, num_read, "V")
    log.filtered("notes-read", num_read, 0)
    for step, dropped in num_dropped.items():
        num_read -= dropped
        log.filtered(step, num_read, dropped)
    return summaries


def without_copies(summaries: list[Summary], log: BuildLog) -> list[Summary]:
    """In order of charttime, note_seq and note_id; of equal texts, also of different admissions, the last one stays."""
    last = {summary.digest: summary for summary in sorted(summaries, key=_written)}
    log.filtered("no-exact-copies", len(last), len(summaries) - len(last))
    return sorted(last.values(), key=_written)


def join_by_admission(summaries: Iterable[Summary], log: BuildLog) -> Iterator[tuple[Summary, list[Summary]]]:
    """By ascending hadm_id its last report, and all its notes: reports first, then addenda, each in the order given.

    Admissions with addenda only are left out.
    """
    notes: defaultdict[int, list[Summary]] = defaultdict(list)
    for summary in summaries:
        notes[summary.hadm].append(summary)
    reports = {hadm: [note for note in of if note.is_report] for hadm, of in notes.items()}
    num_with = sum(bool(of) for of in reports.values())
    log.filtered("admissions", len(notes), 0)
    log.filtered("with-report", num_with, len(notes) - num_with)
    for hadm in sorted(hadm for hadm, of in reports.items() if of):
        yield reports[hadm][-1], [*reports[hadm], *(note for note in notes[hadm] if not note.is_report)]


def whole_notes(joined: Iterable[tuple[Summary, list[Summary]]]) -> Iterator[AdmissionNote]:
    """The notes as they stand, an empty line between."""
    for report, notes in joined:
        text = "\n\n".join(part for note in notes for part in note.kept).strip()
        yield AdmissionNote(report.hadm, report.subject, report.note, text)


def admission_notes(joined: Iterable[tuple[Summary, list[Summary]]], log: BuildLog) -> Iterator[AdmissionNote]:
    """What was known on admission; a section that two notes have is that of the first.

    Admissions without any main section are left out. When all are read, `log` holds how many have each section.
    """
    made = AdmissionNotes()
    for report, notes in joined:
        bodies = zip(*(note.kept for note in notes), strict=True)
        text = made.made_of(dict(zip(SECTIONS, (next(filter(None, body), "") for body in bodies), strict=True)))
        if text is not None:
            yield AdmissionNote(report.hadm, report.subject, report.note, text)
    made.report(log)


def _dropped_at(
    hadm: int | None, admissions: dict[int, Admission], kind: str, text: str, is_repeated: bool
) -> str | None:
    if hadm is None:
        return "with-admission-id"
    if hadm not in admissions:
        return "known-admission"
    if not admissions[hadm].is_in_order:
        return "times-in-order"
    if kind not in {"DS", "AD"}:
        return "summary-or-addendum"
    if not text:
        return "with-text"
    return "own-note-id" if is_repeated else None


def _summary(cells: list[str], table: Table, line: int, *, is_whole: bool) -> Summary:
    note, subject, hadm, kind, sequence, charted, text = cells
    text = text.replace("\r\n", "\n")
    written = moment(charted, table, line, "CHARTTIME") or datetime.max
    return Summary(
        note=note,
        subject=table.needed(subject, "SUBJECT_ID", line),
        hadm=table.needed(hadm, "HADM_ID", line),
        is_report=kind == "DS",
        written=(written, table.needed(sequence, "NOTE_SEQ", line)),
        digest=hashlib.blake2b(text.encode(), digest_size=16).digest(),
        kept=(text,) if is_whole else tuple(admission_sections(text).values()),
    )


def _written(summary: Summary) -> tuple[datetime, int, str]:
    return (*summary.written, summary.note)
