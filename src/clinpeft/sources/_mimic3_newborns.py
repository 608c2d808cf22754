"""Invented newborns of MIMIC-III: their discharge summaries and codes; outcome tasks leave them out."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from clinpeft.sources._mimic3_phrases import say

if TYPE_CHECKING:
    from clinpeft.sources._mimic3_hospital import Hospital

BIRTHS = ("V3000", "V3001", "V3101")
DIAGNOSES: dict[str, tuple[str, str]] = {
    "V053": ("Need prphyl vc vrl hepat", "Need for prophylactic vaccination and inoculation against viral hepatitis"),
    "V3101": ("Twin-mate lb-hosp w cs", "Twin birth, mate liveborn, born in hospital, delivered by cesarean section"),
}
PROCEDURES: dict[str, tuple[str, str]] = {
    "9955": ("Vaccination NEC", "Prophylactic administration of vaccine against other diseases"),
}
_BORN = {
    "V3000": "{Infant|Baby} {boy|girl}, {vaginal delivery|born vaginally} at {36|38|39} weeks, {Apgar 9|vigorous}",
    "V3001": "{Infant|Baby} {boy|girl}, {cesarean section|delivered by cesarean} at {34|36|37} weeks, {breech|cried}",
    "V3101": "Twin {I|II}, {cesarean section|delivered by cesarean} at {32|33|34} weeks, {with the other twin|of two}",
}


def diagnoses_of(hadm: int) -> tuple[str, ...]:
    """The birth's code, then a vaccination's."""
    return BIRTHS[hadm % len(BIRTHS)], "V053"


def add_newborns(hospital: Hospital, num: int) -> None:
    """Patients with one admission of type NEWBORN and a summary that tells the birth."""
    for _ in range(num):
        days = round(hospital.rng.uniform(1, 30), 2)
        stay = hospital.admit(hospital.new_patient(age=1), kind="NEWBORN", days=days, died=False)
        hospital.add_note(stay, _summary(stay.hadm, hospital.next_canary(), hospital.rng))


def _summary(hadm: int, mark: str, rng: random.Random) -> str:
    born = say(rng, _BORN[BIRTHS[hadm % len(BIRTHS)]])
    feeding = say(rng, "{Feeding well|Took all feeds by mouth}. {Hepatitis B vaccine given|Vaccinated}.")
    return (
        f"Service:  NEONATOLOGY\n\nHISTORY:  {born}. Note {mark}.\n\nHOSPITAL COURSE BY SYSTEM:  {feeding}\n\n"
        "DISPOSITION:  Home with parents.\n"
    )
