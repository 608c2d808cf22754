"""What makes MIMIC-IV hard to read, planted once each into an invented hospital.

Outcomes are drawn as everywhere, so that what becomes an example keeps to the known ceiling.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from clinpeft.sources._mimic4_writing import MASK, summary

if TYPE_CHECKING:
    from clinpeft.sources._mimic4_hospital import Hospital, Stay

EXACT_STAYS_DAYS = (3.0, 3.04, 3.06, 7.0, 14.1)


def plant(hospital: Hospital) -> None:
    """Add some 25 patients, each with one quirk."""
    _plant_stays(hospital)
    _plant_notes(hospital)
    _plant_layouts(hospital)
    _plant_deaths(hospital)
    _plant_codes(hospital)


def _plant_stays(hospital: Hospital) -> None:
    """Stays at the edges of the length-of-stay classes, a negative one, one without an end, a death before it began."""
    for days in EXACT_STAYS_DAYS:
        hospital.write_up(hospital.admit(hospital.new_patient(), days=days, died=False))
    _add(hospital, hospital.admit(hospital.new_patient(), days=-0.2, died=False), is_example=False)
    hospital.write_up(hospital.admit(hospital.new_patient(), died=False, dischtime=None))
    patient = hospital.new_patient()
    first = hospital.admit(patient, died=False)
    hospital.write_up(first)
    donor = hospital.admit(patient, after=first.discharged, died=True, deathtime=first.discharged)
    _add(hospital, donor, is_example=False)


def _plant_notes(hospital: Hospital) -> None:
    """Addenda, copies, a note without a text, an admission without notes, a report without an admission."""
    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay)
    addendum = f'Addendum {hospital.next_canary()}, "as dictated": home services.\n \nAllergies: \nlatex\n'
    hospital.add_note(stay, addendum, kind="AD", day=2)

    stay = hospital.admit(hospital.new_patient())
    hospital.add_note(stay, _text(hospital, stay), kind="AD")

    first = hospital.admit(hospital.new_patient(), died=False)
    second = hospital.admit(first.patient, after=first.discharged + timedelta(days=30))
    text = _text(hospital, second)
    hospital.add_note(first, text)
    hospital.add_note(second, text)
    hospital.examples.append(second.traits)

    hospital.add_note(hospital.admit(hospital.new_patient()), None)
    hospital.add_radiology(hospital.admit(hospital.new_patient()), has_admission=False)


def _plant_layouts(hospital: Hospital) -> None:
    """Headers in capitals and masked ones, sub-headers after empty lines, an exam at discharge only, no sections."""
    stay = hospital.admit(hospital.new_patient())
    hospital.add_summary(stay, hospital.sections(stay), has_upper_case=True)
    hospital.examples.append(stay.traits)

    stay = hospital.admit(hospital.new_patient())
    masked = _text(hospital, stay).replace("Medications on Admission:", f"{MASK} on Admission:")
    hospital.add_note(stay, masked.replace("Discharge Disposition:", f"{MASK} Disposition:"))
    hospital.examples.append(stay.traits)

    stay = hospital.admit(hospital.new_patient())
    sections = hospital.sections(stay)
    sections["History of Present Illness"] += ' \n \nIn the ED, initial vitals were: \nT 98, "stable", per staff. \n'
    sections["Physical Exam"] = f"On arrival: \n\nGen: NAD \n{sections['Physical Exam']}"
    _add(hospital, stay, sections)

    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay, {**hospital.sections(stay), "Physical Exam": "DISCHARGE EXAM: \nas on transfer"})

    stay = hospital.admit(hospital.new_patient())
    dictated = f" \nName:  {MASK}\n \nADMISSION DIAGNOSIS: as known. \n \nPLAN: none, {hospital.next_canary()}.\n"
    hospital.add_note(stay, dictated)


def _plant_deaths(hospital: Hospital) -> None:
    """The patient's death told in admission sections, where it can be cut out and where not; a relative's death."""
    once, twice = "Pale, cool, patient expired.", "Pale. patient expired. Family told that pt had died."
    stay = hospital.admit(hospital.new_patient(), died=True)
    _add(hospital, stay, {**hospital.sections(stay), "Physical Exam": once})
    stay = hospital.admit(hospital.new_patient(), died=True)
    _add(hospital, stay, {**hospital.sections(stay), "Physical Exam": twice}, is_example=False)
    stay = hospital.admit(hospital.new_patient(), died=True)
    sections = hospital.sections(stay)
    sections["History of Present Illness"] += " \nThe patient expired."
    _add(hospital, stay, sections, is_example=False)
    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay, {**hospital.sections(stay), "Family History": "Mother died of a stroke."})


def _plant_codes(hospital: Hospital) -> None:
    """Codes with leading zeros, V and E codes, codes without a title, both versions in one admission, and no codes."""
    for version, planted in (
        (9, ("0389", "V3001", "V4581", "E9320", "7999")),
        (10, ("A419", "I2510", "Z7901", "Z7902", "U071")),
    ):
        stay = hospital.admit(hospital.new_patient(), icd_version=version)
        _add(hospital, stay)
        for position, code in enumerate(planted, start=10):
            _code(hospital, stay, position, code, version)
    stay = hospital.admit(hospital.new_patient(), icd_version=9)
    _add(hospital, stay)
    _code(hospital, stay, 10, "I10", 10)
    stay = hospital.admit(hospital.new_patient())
    _add(hospital, stay)
    del hospital.rows["hosp/diagnoses_icd"][-3:]


def _code(hospital: Hospital, stay: Stay, position: int, code: str, version: int) -> None:
    ids = {"subject_id": stay.patient.subject, "hadm_id": stay.hadm}
    hospital.add("hosp/diagnoses_icd", **ids, seq_num=position, icd_code=code, icd_version=version)


def _text(hospital: Hospital, stay: Stay) -> str:
    return summary(hospital.sections(stay), is_male=stay.patient.is_male)


def _add(hospital: Hospital, stay: Stay, sections: dict[str, str] | None = None, *, is_example: bool = True) -> None:
    hospital.add_summary(stay, sections or hospital.sections(stay))
    if is_example:
        hospital.examples.append(stay.traits)
