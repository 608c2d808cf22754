"""How the invented discharge summaries of MIMIC-III are written."""

from __future__ import annotations

import random
from datetime import datetime

from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources._mimic3_phrases import say
from clinpeft.sources._mimic3_stays import Stay


def summary_sections(stay: Stay, mark: str, rng: random.Random) -> dict[str, str]:
    """The sections of a discharge summary in order; `mark` stands in the history of present illness.

    Only what follows that history tells the outcome, and no section of it that an admission note keeps.
    """
    outcome = say(rng, phrases.COURSES[stay.died])
    return {
        "Service": rng.choice(("MEDICINE", "SURGERY", "CARDIOTHORACIC")),
        "Allergies": say(rng, rng.choice(phrases.ALLERGIES)),
        "Attending": "[**First Name3 (LF) 1234**]",
        "Chief Complaint": rng.choice(phrases.COMPLAINTS),
        "Major Surgical or Invasive Procedure": rng.choice(("none", "central line", "as below")),
        "History of Present Illness": f"{stay.illness}\nSeen at [**Hospital1 18**], note {mark}.",
        "Past Medical History": "- " + "\n- ".join(rng.sample(phrases.HISTORIES, 2)),
        "Social History": say(rng, rng.choice(phrases.SOCIAL)),
        "Family History": say(rng, rng.choice(phrases.FAMILY)),
        "Physical Exam": say(rng, rng.choice(phrases.EXAMS)),
        "Pertinent Results": f"WBC-{rng.uniform(4, 15):.1f} HCT-{rng.uniform(25, 45):.1f} PLT-{rng.randint(90, 400)}",
        "Brief Hospital Course": outcome,
        "Medications on Admission": "\n".join(rng.sample(phrases.HOME_MEDICINES, 2)),
        "Discharge Medications": "None" if stay.died else "\n".join(rng.sample(phrases.HOME_MEDICINES, 2)),
        "Discharge Disposition": "Expired" if stay.died else rng.choice(("Home", "Extended Care", "Home With Service")),
        "Discharge Condition": "Expired" if stay.died else "Stable",
        "Discharge Instructions": "Call your doctor with questions.",
    }


def summary(stay: Stay, sections: dict[str, str], *, has_upper_case: bool = False) -> str:
    """The text of the note: a head with masked dates, then the sections, each after an empty line."""
    sex = "M" if stay.patient.is_male else "F"
    head = (
        f"Admission Date:  {_masked(stay.admitted)}              Discharge Date:   {_masked(stay.discharged)}\n\n"
        f"Date of Birth:  [**{stay.patient.born.isoformat()}**]             Sex:   {sex}"
    )
    bodies = [f"{name.upper() if has_upper_case else name}:\n{body}" for name, body in sections.items()]
    return "\n\n".join((head, *bodies)) + "\n"


def _masked(when: datetime) -> str:
    return f"[**{when.year}-{when.month}-{when.day}**]"
