"""Invented i2b2 2014 releases: the three archives of track 1, with what makes the real ones hard to read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.files import stopping_when_disk_is_full
from clinpeft.sources import _i2b2_2014_phrases as phrases
from clinpeft.sources._canary import canary
from clinpeft.sources._tar_writing import write_tar_gz
from clinpeft.sources._xml_drafts import FLIPPED, Draft, document, element
from clinpeft.sources.i2b2_2014 import PACKED, PHI_TYPES, SHAPE

QUIRKS_FROM = 10
"""Patients; smaller sets hold no planted quirks."""
TRAIN_SHARE, SET1_SHARE = 188 / 296, 521 / 790
BYTES_FILE, AND_FILE = "180-03", "188-05"
"""Training records known to be odd: one counts bytes after a curly apostrophe, one has `&` where its tag says «and»."""
_TAGS = {
    **dict.fromkeys(("PATIENT", "DOCTOR", "USERNAME"), "NAME"),
    **dict.fromkeys(("HOSPITAL", "ORGANIZATION", "STREET", "CITY"), "LOCATION"),
    **dict.fromkeys(("STATE", "COUNTRY", "ZIP", "LOCATION-OTHER"), "LOCATION"),
    **dict.fromkeys(("PHONE", "FAX", "EMAIL", "URL"), "CONTACT"),
    **dict.fromkeys(("MEDICALRECORD", "HEALTHPLAN", "DEVICE", "BIOID", "IDNUM"), "ID"),
}
"""The tag of a type; the others' is their own name."""


def write_release(out: Path, *, num_patients: int, seed: int) -> dict[str, float]:
    """Write the three archives to `out`; same arguments give the same bytes.

    Returns `best_f1`, which nobody's strict entity F1 can be expected to exceed, and the numbers of patients,
    documents and tags.
    """
    if num_patients < 1:
        raise BadInput("--patients", "must be at least 1")
    rng = random.Random(seed)
    num_train = round(TRAIN_SHARE * num_patients)
    has_quirks = num_patients >= QUIRKS_FROM
    patients = _patients(rng, num_patients, num_train, has_quirks)
    drafts: list[Draft] = []
    for patient in patients:
        num_records = 5 if has_quirks and str(patient) in (BYTES_FILE[:3], AND_FILE[:3]) else rng.randint(2, 5)
        for record in range(1, num_records + 1):
            drafts.append(_invent(rng, len(drafts) + 1, f"{patient:03d}-{record:02d}"))
    num_set1 = round(SET1_SHARE * num_train)
    parts = patients[:num_set1], patients[num_set1:num_train], patients[num_train:]
    if has_quirks:
        _plant({draft.name: draft for draft in drafts}, parts)
    with stopping_when_disk_is_full(out):
        for (archive, folder), part in zip(PACKED.items(), parts, strict=True):
            write_tar_gz(out / f"{archive}.tar.gz", _files(folder, drafts, part))
    return {
        "best_f1": 1 - FLIPPED,
        "patients": num_patients,
        "documents": len(drafts),
        "tags": sum(len(draft.marks) for draft in drafts),
    }


def invent(rng: random.Random, number: int) -> Draft:
    """A record of 10 to 14 lines; one line holds its canary."""
    return _invent(rng, number, str(number))


def _patients(rng: random.Random, num_patients: int, num_train: int, has_quirks: bool) -> list[int]:
    """Their numbers: those of the first training set, of the second, of the test set; the known ones in the second."""
    known = [int(BYTES_FILE[:3]), int(AND_FILE[:3])] if has_quirks else []
    free = [number for number in range(100, max(500, 100 + 2 * num_patients)) if number not in known]
    drawn = rng.sample(free, num_patients - len(known))
    num_drawn = num_train - len(known)
    return [*drawn[:num_drawn], *known, *drawn[num_drawn:]]


def _invent(rng: random.Random, number: int, name: str) -> Draft:
    draft = Draft(name, number, rng, PHI_TYPES)
    draft.add("\n\n")
    draft.fill("Record date: {DATE}", lambda kind: (phrases.value(rng, kind), kind))
    draft.add(f"\nRecord reference {canary(number)}\n")
    for _ in range(rng.randint(6, 10)):
        if rng.random() < 0.25:
            draft.add(f"{rng.choice(phrases.PLAIN)}\n")
        else:
            templates = phrases.RARE if rng.random() < 0.08 else phrases.TEMPLATES
            draft.fill(rng.choice(templates), lambda kind: (phrases.value(rng, kind), kind))
    return draft


def _plant(drafts: dict[str, Draft], parts: Sequence[Sequence[int]]) -> None:
    """The two known files, and each other quirk into a training record and into a test record."""
    _plant_bytes(drafts[BYTES_FILE])
    _mark(
        drafts[AND_FILE], "He worked for ", "Penny & Daughters", "ORGANIZATION", " for years.\n", "Penny and Daughters"
    )
    for part in (parts[0], parts[2]):
        first, second = (f"{patient:03d}" for patient in part[:2])
        _plant_line_breaks(drafts[f"{first}-01"])
        drafts[f"{first}-01"].line_end = "\r\n"
        _plant_neighbours(drafts[f"{first}-02"])
        _mark(drafts[f"{second}-01"], "The patient\u2019s son ", "Ivan Faust", "PATIENT", " called.\n")
        drafts[f"{second}-01"].encoding = "cp1252"
        _mark(drafts[f"{second}-02"], " \U0001f600  Seen at ", "Lakeside Rehab", "HOSPITAL", ".\n")


def _plant_bytes(draft: Draft) -> None:
    """An address with two curly apostrophes; tags after them are off by the four bytes that these have in excess."""
    _mark(draft, "At ", "Ito\u2019s Miller\u2019s Lane", "STREET", ", by the river\n")
    after = len(draft.marks)
    _mark(draft, "Lives in ", "Karsdale", "CITY", " since ")
    _mark(draft, "", "2071", "DATE", ".\n")
    for mark in draft.marks[after:]:
        mark.shift = 4


def _plant_line_breaks(draft: Draft) -> None:
    """Spans across lines: the tag has a blank where the note has a line end, or nothing."""
    _mark(draft, "Admitted to ", "Oak Valley\nHospital", "HOSPITAL", " today.\n", "Oak Valley Hospital")
    _mark(draft, "Sent home to ", "Granby\nFalls", "CITY", " today.\n", "GranbyFalls")


def _plant_neighbours(draft: Draft) -> None:
    """Dates that touch, a place in letters right after a number, and a span that ends inside a word."""
    draft.add("Seen ")
    _mark(draft, "", "10/12/2080", "DATE", "")
    _mark(draft, "", "/10/14/2080", "DATE", " for pain.\n")
    _mark(draft, "Age ", "67", "AGE", "yo man from ")
    _mark(draft, "", "Portug", "COUNTRY", "uese coast.\n")


def _mark(draft: Draft, before: str, words: str, kind: str, after: str, repeated: str | None = None) -> None:
    draft.add(before)
    draft.mark(words, kind, repeated=repeated, is_flipped=False)
    draft.add(after)


def _files(folder: str, drafts: Sequence[Draft], patients: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    names = {f"{patient:03d}" for patient in patients}
    for draft in sorted(drafts, key=lambda draft: draft.name):
        if draft.name.partition("-")[0] in names:
            yield f"{folder}/{draft.name}.xml", _xml(draft)


def _xml(draft: Draft) -> bytes:
    elements = [
        element(
            _TAGS.get(mark.type, mark.type),
            {
                "id": f"P{number}",
                "start": mark.start + mark.shift,
                "end": mark.end + mark.shift,
                "text": mark.words,
                "TYPE": mark.type,
                "comment": "",
            },
        )
        for number, mark in enumerate(draft.marks)
    ]
    return draft.written(document(SHAPE.root, draft.text, elements))
