"""Invented patients and admissions: what decides the outcome, and the words that tell it.

An admission has three traits: the presentation is grave or light, the course is worsening, undecided or improving,
the background is frail or robust; they go together as the patient is very ill, ill or well. Each is put into one of
many wordings in the history of present illness. Death is drawn with p = logistic(-2.4 + 1.4 grave + 1.4 course +
0.8 frail), course in {1, 0, -1}; nothing else in the admission sections depends on it, so nobody can rank admissions
better than by p.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import date, datetime

from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources._mimic3_phrases import say

COURSES = (1, 0, -1)
ILLNESSES = (
    (0.33, 0.95, (0.85, 0.10, 0.05), 0.80),
    (0.17, 0.50, (0.25, 0.50, 0.25), 0.50),
    (0.50, 0.05, (0.05, 0.10, 0.85), 0.15),
)
"""How ill patients are: share of patients, then shares of grave, of each course, of frail among them."""


@dataclass(frozen=True, slots=True)
class Patient:
    """An invented patient."""

    subject: int
    is_male: bool
    born: date
    first_admitted: date


@dataclass(frozen=True, slots=True)
class Stay:
    """One admission: what decides the outcome, the outcome drawn, and the decisive wording."""

    patient: Patient
    hadm: int
    kind: str
    traits: Traits
    died: bool
    admitted: datetime
    discharged: datetime
    illness: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Traits:
    """What decides the outcome."""

    is_grave: bool
    course: int
    is_frail: bool
    reason_codes: tuple[str, ...]
    background_code: str

    @classmethod
    def draw(cls, rng: random.Random) -> Traits:
        """Traits in the shares that ILLNESSES gives."""
        _, grave, courses, frail = rng.choices(ILLNESSES, [share for share, *_ in ILLNESSES])[0]
        is_grave, is_frail = rng.random() < grave, rng.random() < frail
        course = rng.choices(COURSES, courses)[0]
        reasons = rng.sample(sorted(phrases.GRAVE if is_grave else phrases.LIGHT), 2)
        background = rng.choice(sorted(phrases.FRAIL if is_frail else phrases.ROBUST))
        return cls(is_grave, course, is_frail, tuple(reasons), background)

    @property
    def probability(self) -> float:
        """Of death."""
        logit = -2.4 + 1.4 * self.is_grave + 1.4 * self.course + 0.8 * self.is_frail
        return 1 / (1 + math.exp(-logit))

    def wording(self, rng: random.Random, age: int, is_male: bool) -> str:
        """Two sentences that tell the traits: background, two conditions, two remarks on the course."""
        conditions, backgrounds = phrases.GRAVE | phrases.LIGHT, phrases.FRAIL | phrases.ROBUST
        reasons = [rng.choice(conditions[code].split("|")) for code in self.reason_codes]
        courses = {1: phrases.WORSENING, 0: phrases.UNDECIDED, -1: phrases.IMPROVING}[self.course].split("|")
        remarks = ", ".join(rng.sample(courses, 2))
        parts = {
            "[age]": str(age) if age < 90 else "[**Age over 90 **]",
            "[sex]": rng.choice(("man", "male", "gentleman") if is_male else ("woman", "female", "lady")),
            "[background]": rng.choice(backgrounds[self.background_code].split("|")),
            "[reasons]": " and ".join(reasons),
            "[courses]": remarks[0].upper() + remarks[1:],
        }
        frame = say(rng, rng.choice(phrases.FRAMES))
        for name, part in parts.items():
            frame = frame.replace(name, part)
        return frame
