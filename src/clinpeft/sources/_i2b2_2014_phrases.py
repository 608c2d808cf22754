"""The lines of the invented i2b2 2014 records; a slot is called like the type of what stands in it."""

from __future__ import annotations

import random

TEMPLATES = (
    "Patient Name: {PATIENT} ({MEDICALRECORD})",
    "Mr. {PATIENT} is a {AGE}-year-old {PROFESSION} from {CITY}, {STATE}, seen on {DATE}.",
    "He was transferred from {HOSPITAL} to {HOSPITAL} on {DATE} for chest pain.",
    "Ms. {PATIENT} was seen by Dr. {DOCTOR} on {DATE} and again on {DATE}.",
    "Her daughter, aged {AGE}, works as a {PROFESSION} at {ORGANIZATION}.",
    "CC: {DOCTOR}, {STREET}, {CITY}, {STATE} {ZIP}",
    "Call {PHONE} with questions, or page Dr. {DOCTOR}.",
    "eScription document: {IDNUM} {USERNAME} DD: {DATE}",
    "MRN: {MEDICALRECORD}  Date of visit: {DATE}",
    "He moved from {COUNTRY} in {DATE} and lives in {CITY}.",
    "Echocardiogram of {DATE} at {HOSPITAL}: ejection fraction of 55%.",
    "Seen with {DOCTOR}, M.D. of {HOSPITAL}; follow-up on {DATE}.",
    "{DOCTOR}, MD pager #{PHONE}",
    "The patient returned from {COUNTRY} on {DATE} with a fever of 101.4.",
)
RARE = (
    "Fax: {FAX}",
    "Mail: {EMAIL}",
    "Pacemaker serial number {DEVICE}",
    "They met at the {LOCATION-OTHER} in {DATE}.",
    "More at {URL}",
    "Health plan {HEALTHPLAN}",
)
PLAIN = (
    "PAST MEDICAL HISTORY: hypertension, diabetes, gout.",
    "Blood pressure 140/82, heart rate 76, weight 180 lbs.",
    "Lungs clear. No edema. Abdomen soft, nontender.",
    "Assessment and plan: continue aspirin 81 mg daily.",
    "He denies chest pain, dyspnea or palpitations.",
    "",
)

_FIRST = ("Ulysses", "Wanda", "Harold", "Yosef", "Nora", "Ivan", "Latoya", "Quentin", "Ruth", "Pedro", "Mei", "Anna")
_LAST = ("Ogrady", "Villegas", "Eastwick", "Tran", "Xanders", "Nutter", "Quijada", "Ito", "Zimmer", "Lundy", "Faust")
_WORDS = {
    "PROFESSION": ("plumber", "school teacher", "retired engineer", "bus driver", "nurse", "accountant", "carpenter"),
    "HOSPITAL": ("Oak Valley Hospital", "Harlan Clinic", "OVH", "St. Brendan Medical Center", "Lakeside Rehab", "HCC"),
    "ORGANIZATION": ("Nordfeld Steel", "Penny & Sons", "the Garden Society", "Blue Harbor Bank"),
    "CITY": ("Winterton", "East Molden", "Karsdale", "Port Elm", "Granby Falls"),
    "STATE": ("MA", "Vermont", "OH", "Nevada", "TX"),
    "COUNTRY": ("Portugal", "Haiti", "Vietnam", "Ireland", "Peru"),
    "LOCATION-OTHER": ("Elm Street bridge", "Winter Palace", "Granby Falls fair"),
    "URL": ("www.lakeside-rehab.example",),
    "EMAIL": ("nora.tran@oakvalley.example", "yito@hcc.example"),
}


def value(rng: random.Random, kind: str) -> str:
    """An invented identifier of the type."""
    if kind in _WORDS:
        return rng.choice(_WORDS[kind])
    number = rng.randrange(10**6, 10**7)
    year, month, day = rng.randint(2060, 2099), rng.randint(1, 12), rng.randint(1, 28)
    dates = (f"{month}/{day}/{year}", f"{year}-{month:02d}-{day:02d}", f"{month:02d}/{day:02d}", str(year))
    made = {
        "PATIENT": (f"{rng.choice(_FIRST)} {rng.choice(_LAST)}", rng.choice(_LAST)),
        "DOCTOR": (f"{rng.choice(_FIRST)} {rng.choice('ABCDEFGH')}. {rng.choice(_LAST)}", rng.choice(_LAST)),
        "USERNAME": (f"{rng.choice('abcdefgh')}{rng.choice('klmnop')}{number % 1000}",),
        "STREET": (f"{number % 900 + 1} Orchard Lane", f"{number % 90 + 1} Mill Street"),
        "ZIP": (f"{number % 100_000:05d}",),
        "AGE": (str(number % 70 + 20),),
        "DATE": dates,
        "PHONE": (f"({number % 900 + 100}) 555-{number % 10_000:04d}", f"555-{number % 10_000:04d}"),
        "FAX": (f"(555) 555-{number % 10_000:04d}",),
        "MEDICALRECORD": (f"{number}", f"{number % 1000:03d}-{number % 97:02d}-{number % 89:02d}-1"),
        "IDNUM": (f"{number % 10}-{number:08d}", f"ED{number}"),
        "DEVICE": (f"SN{number}",),
        "HEALTHPLAN": (f"HP-{number}",),
    }
    return rng.choice(made[kind])
