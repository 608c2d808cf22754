"""MIMIC-IV, read a second time: line by line with the csv module, and no more than the rules say."""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from clinpeft.recount import Options, Recounted
from clinpeft.recount._leaks import stricter

Row = dict[str, str]
LONGEST_FIELD = 16 << 20
"""Characters; the limit holds for the whole process, so it is set no higher than notes need."""
OPENERS = {
    "chief complaint": 0,
    "history of present illness": 1,
    "past medical history": 2,
    "medications on admission": 3,
    "allergies": 4,
    "physical exam": 5,
    "family history": 6,
    "social history": 7,
}
"""Headers of the sections that are kept, and their places in the admission note."""
TITLES = (
    *("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION"),
    *("ALLERGIES", "PHYSICAL EXAM", "FAMILY HISTORY", "SOCIAL HISTORY"),
)
CLOSERS = (
    *("service", "attending", "major surgical or invasive procedure", "pertinent results", "brief hospital course"),
    *("discharge medications", "discharge disposition", "discharge diagnosis", "discharge condition"),
    *("discharge instructions", "followup instructions"),
)
"""Headers that end a section and open none."""
DAYS = ((3, "up to 3 days"), (7, "over 3 to 7 days"), (14, "over 7 to 14 days"))
_DEAD = r"\s+(had\s|has\s)?(expired|died|passed away|deceased)"


@dataclass
class Stay:
    """An admission and what was written of it; reports stand before addenda."""

    row: Row
    notes: list[Note] = field(default_factory=list)


@dataclass(order=True)
class Note:
    """One row of discharge; the order is that in which notes were written."""

    charted: datetime
    number: int
    name: str
    hadm: str
    is_addendum: bool
    subject: str = field(compare=False)
    text: str = field(compare=False, repr=False)


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """What the raw files say of every example of mimic4-mortality, -length-of-stay or -diagnoses."""
    is_whole = options.get("text") == "full"
    codes = _codes(root, str(options.get("icd", "10"))) if task == "mimic4-diagnoses" else {}
    stays, subjects = _stays(root, is_whole)
    border = _border(root, subjects) if options.get("split") == "anchor_year_group" else None
    for hadm, stay in sorted(stays.items(), key=lambda item: int(item[0])):
        notes = sorted(stay.notes, key=lambda note: (note.is_addendum, note))
        if not notes or notes[0].is_addendum:
            continue
        text = "\n\n".join(note.text for note in notes).strip() if is_whole else _joined(notes)
        if text is not None and task == "mimic4-mortality":
            text = _quiet(text)
        if text is not None and options.get("leak_filter") == "strict":
            text = stricter(text)
        labels = _labels(task, stay.row, codes.get(hadm, set()))
        if labels and text is not None:
            subject = [note for note in notes if not note.is_addendum][-1].subject
            yield Recounted(hadm, labels, text, split=_split(subject, border))


def _labels(task: str, row: Row, codes: set[str]) -> tuple[str, ...]:
    if task == "mimic4-diagnoses":
        return tuple(sorted(codes))
    label = _outcome(row) if task == "mimic4-mortality" else _days(row)
    return () if label is None else (label,)


def _split(subject: str, border: tuple[dict[str, str], str] | None) -> str:
    """By the hash of the subject; with a border, who stands on it or after is test."""
    place = int(hashlib.sha256(f"split-v1|mimic4|{subject}".encode()).hexdigest()[:16], 16) / 2.0**64
    if border is None:
        return "train" if place < 0.7 else "validation" if place < 0.8 else "test"
    years, first = border
    if years[subject] >= first:
        return "test"
    return "train" if place < 7 / 8 else "validation"


def _border(root: Path, subjects: set[str]) -> tuple[dict[str, str], str]:
    """The first year of each subject's group, and the year from which on they are test: the latest that leaves a tenth
    of the subjects on its side, yet not the first of all."""
    first_years = {_whole(row["subject_id"]): row["anchor_year_group"].strip()[:4] for row in _rows(root, "patients")}
    years = {subject: first_years[subject] for subject in subjects}
    borders = sorted(set(years.values()))[1:]
    large = [year for year in borders if 10 * sum(own >= year for own in years.values()) >= len(years)]
    return years, max(large, default=borders[0])


def _stays(root: Path, is_whole: bool) -> tuple[dict[str, Stay], set[str]]:
    """Admissions in order of their times, with their notes, of equal texts the one written last; and all who have
    notes."""
    stays = {_whole(row["hadm_id"]): Stay(row) for row in _rows(root, "admissions") if _is_possible(row)}
    seen: set[str] = set()
    subjects: set[str] = set()
    newest: dict[bytes, Note] = {}
    for row in _rows(root, "discharge"):
        hadm = _whole(row["hadm_id"])
        if hadm not in stays or row["note_type"] not in ("DS", "AD") or not row["text"] or row["note_id"] in seen:
            continue
        seen.add(row["note_id"])
        subjects.add(_whole(row["subject_id"]))
        text = row["text"].replace("\r\n", "\n")
        note = Note(
            _time(row["charttime"]) or datetime.max,
            int(_whole(row["note_seq"])),
            row["note_id"],
            hadm,
            row["note_type"] == "AD",
            _whole(row["subject_id"]),
            text if is_whole else "\0".join(_sections(text)),
        )
        same = hashlib.sha256(text.encode()).digest()
        if same not in newest or newest[same] < note:
            newest[same] = note
    for note in newest.values():
        stays[note.hadm].notes.append(note)
    return stays, subjects


def _is_possible(row: Row) -> bool:
    start = _time(row["admittime"])
    ends = [_time(row["dischtime"]), _time(row["deathtime"])]
    return start is not None and not any(end is not None and end < start for end in ends)


def _outcome(row: Row) -> str | None:
    return {"0": "survived", "1": "died"}.get(_whole(row["hospital_expire_flag"]))


def _days(row: Row) -> str | None:
    start, end = _time(row["admittime"]), _time(row["dischtime"])
    if _outcome(row) != "survived" or start is None or end is None:
        return None
    tenths = round((end - start).total_seconds() / 8640)
    return next((name for last, name in DAYS if tenths <= 10 * last), "over 14 days")


def _codes(root: Path, chosen: str) -> dict[str, set[str]]:
    codes: dict[str, set[str]] = {}
    for row in _rows(root, "diagnoses_icd"):
        version = _whole(row["icd_version"])
        code = row["icd_code"].strip().upper().replace(".", "")
        if chosen in (version, "both") and _is_code(code, version):
            length = 4 if version == "9" and code.startswith(("E", "V")) else 3
            codes.setdefault(_whole(row["hadm_id"]), set()).add(f"{version}:{code[:length]}")
    return codes


def _is_code(code: str, version: str) -> bool:
    shape = r"\d{3,5}|V\d{2,4}|E\d{2,4}" if version == "9" else r"[A-Z]\d[\dA-Z]{1,5}"
    return re.fullmatch(shape, code, re.ASCII) is not None


def _joined(notes: list[Note]) -> str | None:
    """The admission note: of every section the first that holds anything."""
    of_each = zip(*(note.text.split("\0") for note in notes), strict=True)
    bodies = [next((body for body in bodies if body), "") for bodies in of_each]
    if not any(bodies[:3]):
        return None
    return "\n\n".join(f"{title}: {body}" for title, body in zip(TITLES, bodies, strict=True))


def _sections(text: str) -> list[str]:
    """The eight bodies, found by walking down the lines."""
    found: list[list[list[str]]] = [[] for _ in TITLES]
    current: list[str] | None = None
    for line in text.split("\n"):
        line = line.rstrip(" \t\r")
        head, colon, rest = line.partition(":")
        place = _place_of(head.rstrip(" \t").lower()) if colon else None
        if place is None:
            if current is not None:
                current.append(line)
            continue
        current = [rest] if place >= 0 else None
        if current is not None:
            found[place].append(current)
    found[5] = [_before_discharge(lines) for lines in found[5]]
    return [next(filter(None, (" ".join(lines).strip() for lines in of)), "") for of in found]


def _place_of(head: str) -> int | None:
    """Which section a header opens: its place, -1 for none that is kept; None for what is no header."""
    fitting = [known for known in (*OPENERS, *CLOSERS) if _fits(head.split(" "), known.split(" "))]
    if not fitting:
        return None
    return OPENERS.get(fitting[0], -1) if len(fitting) == 1 else -1


def _fits(words: list[str], known: list[str]) -> bool:
    """Equal, or with one masked word among several."""
    if len(words) != len(known):
        return False
    others = [word for word, wanted in zip(words, known, strict=True) if word != wanted]
    return not others or (others == ["___"] and len(known) > 1)


def _before_discharge(lines: list[str]) -> list[str]:
    for number, line in enumerate(lines):
        lower = line.lower()
        wording = ("discharge exam", "discharge physical exam", "on discharge", "at discharge")
        starts = re.match(r"\W*discharge[ \t]*:", lower, re.ASCII)
        if starts or "DISCHARGE:" in line or any(words in lower for words in wording):
            return lines[:number]
    return lines


def _quiet(text: str) -> str | None:
    """Without the first death in the exam and in the medications; None where the patient's death is told still."""
    kept, start = "", 0
    while (header := re.compile("(?i)PHYSICAL EXAM:|MEDICATION ON ADMISSION:").search(text, start)) is not None:
        told = re.compile(rf"(?i)(patient|pt)?{_DEAD}").search(text, header.end())
        if told is None or "\n" in text[header.end() : told.start()]:
            kept, start = kept + text[start : header.end()], header.end()
        else:
            kept, start = kept + text[start : told.start()], told.end()
    text = kept + text[start:]
    told_anywhere = rf"(?i)(patient|pt){_DEAD}|he expired|pronounced expired|time of death"
    return None if re.search(told_anywhere, text) else text


def _rows(root: Path, table: str) -> Iterator[Row]:
    """The rows of a table wherever it lies, by column names in lower case."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    with _opened(_file(root, table)) as text:
        rows = csv.reader(text)
        names = [name.lower() for name in next(rows)]
        for row in rows:
            if row:
                yield dict(zip(names, row, strict=True))


def _file(root: Path, table: str) -> Path:
    """The packed file of that name if there is one; another release's table may have the same name."""
    found: list[tuple[int, Path]] = []
    for path in (path for depth in range(6) for path in root.glob("*/" * depth + "*.*")):
        rank = next((n for n, end in enumerate((".csv.gz", ".csv")) if path.name.lower() == table + end), None)
        names = {other.name.lower() for other in path.parent.iterdir()} if rank is not None else set()
        if rank is not None and (path.parent.name.lower() == "hosp" or names & {"discharge.csv", "discharge.csv.gz"}):
            found.append((rank, path))
    return min(found)[1]


def _opened(path: Path) -> IO[str]:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    if is_packed:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _whole(cell: str) -> str:
    """An id as it should stand, also where pandas made it a float."""
    return cell.partition(".")[0]


def _time(cell: str) -> datetime | None:
    return datetime.fromisoformat(cell.removesuffix(" UTC")).replace(tzinfo=None) if cell else None
