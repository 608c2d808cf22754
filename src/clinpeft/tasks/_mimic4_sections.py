"""Which sections of a MIMIC-IV discharge summary were written on admission, and where they begin and end.

The rule of MIMIC-III (a section ends at an empty line before something like a header) finds nothing here: lines that
look empty hold a blank, and some sections follow each other without any. So the headers are a closed list.
"""

from __future__ import annotations

import re

from clinpeft.tasks._admission_notes import SECTIONS

HEADERS = (
    *("Service", "Allergies", "Attending", "Chief Complaint", "Major Surgical or Invasive Procedure"),
    *("History of Present Illness", "Past Medical History", "Social History", "Family History", "Physical Exam"),
    *("Pertinent Results", "Brief Hospital Course", "Medications on Admission", "Discharge Medications"),
    *("Discharge Disposition", "Discharge Diagnosis", "Discharge Condition", "Discharge Instructions"),
    "Followup Instructions",
)
"""Any of them, at the start of a line and in any case, ends the section before it."""
MASK = "___"
"""What stands for a masked word, in headers too."""
_KEPT = {
    "chief complaint": "CHIEF COMPLAINT",
    "history of present illness": "PRESENT ILLNESS",
    "past medical history": "MEDICAL HISTORY",
    "medications on admission": "MEDICATION ON ADMISSION",
    "allergies": "ALLERGIES",
    "physical exam": "PHYSICAL EXAM",
    "family history": "FAMILY HISTORY",
    "social history": "SOCIAL HISTORY",
}
assert set(_KEPT.values()) == set(SECTIONS)
_LAST_EXAM = re.compile(
    r"(?i:discharge (?:physical )?exam|on discharge|at discharge|^[^\w\n]*discharge[ \t]*:)|DISCHARGE:",
    re.MULTILINE | re.ASCII,
)


def _with_masked_words() -> dict[str, str | None]:
    """Every way in which a header may stand there, with the section that it opens: one word of several may be masked.

    None where two headers look alike then, and for the sections of which nothing is kept.
    """
    headers_of: dict[str, set[str]] = {}
    for header in HEADERS:
        words = header.lower().split()
        forms = [words, *([*words[:n], MASK, *words[n + 1 :]] for n in range(len(words)) if len(words) > 1)]
        for form in forms:
            headers_of.setdefault(" ".join(form), set()).add(header.lower())
    return {form: _KEPT.get(next(iter(of))) if len(of) == 1 else None for form, of in sorted(headers_of.items())}


_SECTION_OF = _with_masked_words()
_HEADER = re.compile(
    rf"^({'|'.join(re.escape(form) for form in _SECTION_OF)})[ \t]*:", re.IGNORECASE | re.MULTILINE | re.ASCII
)


def admission_sections(text: str) -> dict[str, str]:
    """The bodies of the eight admission sections, each on one line; an empty string where a section is missing.

    A body runs to the next header of the list, or to the end of the note. Of several sections of one name the first
    that is not empty counts. The physical exam ends where that of the discharge begins.

    >>> admission_sections("Chief Complaint: \\nchest pain \\n \\nService: CCU")["CHIEF COMPLAINT"]
    'chest pain'
    """
    text = "\n".join(line.rstrip(" \t\r") for line in text.split("\n"))
    headers = list(_HEADER.finditer(text))
    ends = [*(header.start() for header in headers), len(text)][1:]
    sections = dict.fromkeys(SECTIONS, "")
    for header, end in zip(headers, ends, strict=True):
        name = _SECTION_OF[header[1].lower()]
        if name is not None and not sections[name]:
            body = text[header.end() : end]
            kept = before_discharge(body) if name == "PHYSICAL EXAM" else body
            sections[name] = kept.replace("\n", " ").strip()
    return sections


def before_discharge(exam: str) -> str:
    """The lines of a physical exam before the first that speaks of the exam at discharge.

    >>> before_discharge("alert\\nAt discharge: walking\\nno pain")
    'alert\\n'
    """
    found = _LAST_EXAM.search(exam)
    return exam if found is None else exam[: exam.rfind("\n", 0, found.start()) + 1]
