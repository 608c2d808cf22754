"""How the invented MIMIC-III codes its stays: what a note tells, in more codes than the note has ideas.

Main diagnoses come from the 20 codes of the ICD-9 triage task where the wording allows it.
"""

from __future__ import annotations

from clinpeft.sources import _mimic3_newborns as newborns
from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources._mimic3_stays import Stay

CODED_AS: dict[str, tuple[str, ...]] = {
    "78551": ("41071", "41011", "41041"),
    "51881": ("51881", "51881", "5070"),
    "431": ("431", "430"),
    "5845": ("5849", "5845"),
    "4560": ("4560", "5789"),
}
"""What coders may make of a condition."""
MAIN_BACKGROUNDS = ("1983", "4280")
"""Background illnesses that every second stay has as its main diagnosis."""
DIAGNOSES: dict[str, tuple[str, str]] = {
    "41011": ("AMI anterior wall, init", "Acute myocardial infarction of other anterior wall, initial episode of care"),
    "41041": ("AMI inferior wall, init", "Acute myocardial infarction of other inferior wall, initial episode of care"),
    "41071": ("Subendo infarct, initial", "Subendocardial infarction, initial episode of care"),
    "430": ("Subarachnoid hemorrhage", "Subarachnoid hemorrhage"),
    "5070": ("Food/vomit pneumonitis", "Pneumonitis due to inhalation of food or vomitus"),
    "5849": ("Acute kidney failure NOS", "Acute kidney failure, unspecified"),
    **newborns.DIAGNOSES,
}
"""Short and long titles of the codes that stand here only."""
PROCEDURES: dict[str, tuple[str, str]] = newborns.PROCEDURES


def diagnoses_of(stay: Stay) -> tuple[str, ...]:
    """The diagnosis codes of a stay in order of rank."""
    if stay.kind == "NEWBORN":
        return newborns.diagnoses_of(stay.hadm)
    reasons = tuple(_one_of(CODED_AS.get(code, (code,)), stay.hadm) for code in stay.traits.reason_codes)
    background = stay.traits.background_code
    if background in MAIN_BACKGROUNDS and stay.hadm % 2 == 0:
        return background, *reasons
    return *reasons, background


def procedures_of(stay: Stay) -> tuple[str, ...]:
    """The procedure codes of a stay in order of rank."""
    if stay.kind == "NEWBORN":
        return tuple(newborns.PROCEDURES)
    found = [code for reason in stay.traits.reason_codes for code in phrases.PROCEDURES_OF.get(reason, ())]
    return tuple(dict.fromkeys(found))


def _one_of(codes: tuple[str, ...], hadm: int) -> str:
    return codes[hadm % len(codes)]
