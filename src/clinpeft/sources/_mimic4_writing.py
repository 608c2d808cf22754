"""How the invented discharge summaries of MIMIC-IV are written: a blank-padded head, `___` for whatever is masked,
and lines of one blank where other notes have empty ones."""

from __future__ import annotations

import random

from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources._mimic3_phrases import say

MASK = "___"
_ON_ONE_LINE = ("Service", "Attending")
_FOLLOWED_CLOSELY = ("Past Medical History", "Social History")
"""No empty line stands between these and the next header."""
LAST_EXAM = {
    True: "{No spontaneous breathing|No heart sounds}, {skin mottling spread|no response to voice}.",
    False: "{Walking in the ward|Alert and oriented}, {lungs clear|wound dry}.",
}
"""The exam at discharge, which stands in the same section as that on admission and tells the outcome."""


def summary_sections(illness: str, died: bool, mark: str, rng: random.Random) -> dict[str, str]:
    """The sections of a discharge summary in order; `mark` stands in the history of present illness.

    What tells the outcome stands after the exam on admission, and in no section that an admission note keeps whole.
    """
    exam = say(rng, rng.choice(phrases.EXAMS))
    return {
        "Service": rng.choice(("MEDICINE", "SURGERY", "NEUROLOGY", "CARDIOTHORACIC")),
        "Allergies": say(rng, rng.choice(phrases.ALLERGIES)),
        "Attending": f"{MASK}.",
        "Chief Complaint": rng.choice(phrases.COMPLAINTS),
        "Major Surgical or Invasive Procedure": rng.choice(("None", f"{MASK} Central line", "as below")) + "\n",
        "History of Present Illness": f"{illness} \nSeen by Dr. {MASK} on {MASK}, note {mark}.",
        "Past Medical History": "- " + " \n- ".join(rng.sample(phrases.HISTORIES, 2)),
        "Social History": MASK,
        "Family History": say(rng, rng.choice(phrases.FAMILY)),
        "Physical Exam": f"ADMISSION PHYSICAL EXAM: \n{exam}\n\nDISCHARGE PHYSICAL EXAM: \n{say(rng, LAST_EXAM[died])}",
        "Pertinent Results": f"___ 07:10AM BLOOD WBC-{rng.uniform(4, 15):.1f} Hct-{rng.uniform(25, 45):.1f}",
        "Brief Hospital Course": say(rng, phrases.COURSES[died]),
        "Medications on Admission": "\n".join(f"{n}. {drug}" for n, drug in enumerate(_medicines(rng), start=1)),
        "Discharge Medications": "None" if died else "\n".join(_medicines(rng)),
        "Discharge Disposition": "Expired" if died else rng.choice(("Home", "Extended Care", "Home With Service")),
        "Discharge Diagnosis": rng.choice(phrases.COMPLAINTS).capitalize(),
        "Discharge Condition": "Expired" if died else "Mental Status: Clear and coherent.",
        "Discharge Instructions": f"Dear {MASK}, \ncall your doctor with questions.",
        "Followup Instructions": MASK,
    }


def summary(sections: dict[str, str], *, is_male: bool, has_upper_case: bool = False) -> str:
    """The text of the note: a head in which all is masked but the sex, then the sections."""
    head = (
        f" \nName:  {MASK}                     Unit No:   {MASK}\n \n"
        f"Admission Date:  {MASK}              Discharge Date:   {MASK}\n \n"
        f"Date of Birth:  {MASK}             Sex:   {'M' if is_male else 'F'}\n \n"
    )
    return head + "".join(_section(name, body, has_upper_case) for name, body in sections.items())


def _section(name: str, body: str, has_upper_case: bool) -> str:
    header = name.upper() if has_upper_case else name
    gap = " " if name in _ON_ONE_LINE else " \n" if name == "Allergies" else "\n"
    return f"{header}:{gap}{body}\n" + ("" if name in _FOLLOWED_CLOSELY else " \n")


def _medicines(rng: random.Random) -> list[str]:
    return rng.sample(phrases.HOME_MEDICINES, 2)
