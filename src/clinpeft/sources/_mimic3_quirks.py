"""What makes MIMIC-III hard to read, planted once each into an invented hospital.

Outcomes are drawn as everywhere, so that what becomes an example keeps to the known ceiling.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from clinpeft.sources._mimic3_stays import Stay
from clinpeft.sources._mimic3_writing import summary, summary_sections

if TYPE_CHECKING:
    from clinpeft.sources._mimic3_hospital import Hospital

EXACT_STAYS_DAYS = (3.0, 3.04, 3.06, 7.0, 14.1)


def plant(hospital: Hospital) -> None:
    """Add some 25 patients, each with one quirk."""
    _plant_stays(hospital)
    _plant_notes(hospital)
    _plant_layouts(hospital)
    _plant_deaths(hospital)
    _plant_codes(hospital)


def _plant_stays(hospital: Hospital) -> None:
    """Stays at the edges of the length-of-stay classes, a negative one, a newborn, and an age above 89."""
    for days in EXACT_STAYS_DAYS:
        hospital.write_up(hospital.admit(hospital.new_patient(), days=days, died=False))
    hospital.write_up(hospital.admit(hospital.new_patient(), days=-0.2, died=False))
    newborn = hospital.admit(hospital.new_patient(age=1), kind="NEWBORN", days=2.0, died=False)
    _add(hospital, newborn, is_example=False)
    hospital.write_up(hospital.admit(hospital.new_patient(age=300)))


def _plant_notes(hospital: Hospital) -> None:
    """Addenda, several reports, copies, notes without an admission or a text, and notes marked as errors."""
    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay)
    hospital.add_note(stay, f'Interim summary {hospital.next_canary()}, "as dictated", no change.', day=1)
    hospital.add_note(stay, f"Addendum {hospital.next_canary()}: home services.", description="Addendum", day=2)

    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay, description="Addendum", is_example=False)

    first = hospital.admit(hospital.new_patient(), died=False)
    second = hospital.admit(first.patient, after=first.discharged + timedelta(days=30))
    text = summary(second, summary_sections(second, hospital.next_canary(), hospital.rng))
    hospital.add_note(first, text)
    hospital.add_note(second, text)
    hospital.examples.append(second)

    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay, is_error=True)
    hospital.add_note(stay, None, day=1)
    stray = summary(stay, summary_sections(stay, hospital.next_canary(), hospital.rng))
    hospital.add_note(stay, stray, day=3, HADM_ID=None)
    _add(hospital, hospital.admit(hospital.new_patient()), category="Physician ", is_example=False)


def _plant_layouts(hospital: Hospital) -> None:
    """Headers in capitals, sections cut by a sub-header or ending the note, line ends as CR LF, quotes, no sections."""
    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay, has_upper_case=True)

    stay = hospital.admit(hospital.new_patient())
    sections = _sections(hospital, stay)
    sections["History of Present Illness"] += '\n\nIn the ED, initial vitals were: T 98, "stable", per staff.'
    sections["Physical Exam"] = f"On arrival:\n\nGen: NAD\n{sections['Physical Exam']}"
    _add(hospital, stay, sections)

    stay = hospital.admit(hospital.new_patient())
    sections = _sections(hospital, stay)
    social = sections.pop("Social History")
    _add(hospital, stay, {**sections, "Social History": social})

    stay = hospital.admit(hospital.new_patient())
    hospital.add_note(stay, summary(stay, _sections(hospital, stay)).replace("\n", "\r\n"))
    hospital.examples.append(stay)

    stay = hospital.admit(hospital.new_patient())
    dictated = (
        f"ADMISSION DIAGNOSIS: as known.\n\nPHYSICAL EXAMINATION: done, {hospital.next_canary()}.\n\nPLAN: none.\n"
    )
    hospital.add_note(stay, dictated)


def _plant_deaths(hospital: Hospital) -> None:
    """The patient's death told in admission sections, where it can be cut out and where not; a relative's death."""
    once, twice = "Pale, cool, patient expired.", "Pale. patient expired. Family told that pt had died."
    stay = hospital.admit(hospital.new_patient(), died=True)
    _add(hospital, stay, {**_sections(hospital, stay), "Physical Exam": once})
    stay = hospital.admit(hospital.new_patient(), died=True)
    _add(hospital, stay, {**_sections(hospital, stay), "Physical Exam": twice}, is_example=False)
    stay = hospital.admit(hospital.new_patient(), died=True)
    sections = _sections(hospital, stay)
    sections["History of Present Illness"] += " The patient expired."
    _add(hospital, stay, sections, is_example=False)
    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay, {**_sections(hospital, stay), "Family History": "Mother died of a stroke."})


def _plant_codes(hospital: Hospital) -> None:
    """Codes with leading zeros, V and E codes, a code without a title, and a row without a code."""
    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay)
    ids = {"SUBJECT_ID": stay.patient.subject, "HADM_ID": stay.hadm}
    for position, code in enumerate(("0389", "V3001", "V4581", "E9320", "7999"), start=10):
        hospital.add("DIAGNOSES_ICD", **ids, SEQ_NUM=position, ICD9_CODE=code)
    hospital.add("DIAGNOSES_ICD", **ids)
    for position, code in enumerate(("0331", "3310", "0066", "9999"), start=10):
        hospital.add("PROCEDURES_ICD", **ids, SEQ_NUM=position, ICD9_CODE=code)


def _sections(hospital: Hospital, stay: Stay) -> dict[str, str]:
    return summary_sections(stay, hospital.next_canary(), hospital.rng)


def _add(
    hospital: Hospital,
    stay: Stay,
    sections: dict[str, str] | None = None,
    *,
    category: str = "Discharge summary",
    description: str = "Report",
    is_example: bool = True,
    has_upper_case: bool = False,
    is_error: bool = False,
) -> None:
    text = summary(stay, sections or _sections(hospital, stay), has_upper_case=has_upper_case)
    error = "1" if is_error else None
    hospital.add_note(stay, text, category=category, description=description, ISERROR=error)
    if is_example:
        hospital.examples.append(stay)
