"""The tables of an invented MIMIC-IV while they are being filled, and their one source of randomness.

What decides the outcome, and the words that tell it, are those of the invented MIMIC-III (`_mimic3_stays`). How long
a stay lasts depends on the same traits, and on nothing else that the notes tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources import _mimic4_codes as codes
from clinpeft.sources._canary import canary
from clinpeft.sources._mimic3_phrases import say
from clinpeft.sources._mimic3_stays import Traits
from clinpeft.sources._mimic4_writing import MASK, summary, summary_sections
from clinpeft.sources._mimic_synthetic import Cell, InventedHospital
from clinpeft.sources.mimic4 import TABLES

YEAR_GROUPS = ("2008 - 2010", "2011 - 2013", "2014 - 2016", "2017 - 2019", "2020 - 2022")
SHARE_OF_ICD10 = (0.0, 0.0, 0.5, 1.0, 1.0)
"""Of a year group's admissions; the United States changed in October 2015."""
STAY_SIGMA = 0.5
"""Of the logarithm of a stay's days."""
STAY_EDGES = (3.05, 7.05, 14.05)
"""Days at which the class of a stay changes, after rounding to one decimal."""


@dataclass(frozen=True, slots=True)
class Patient:
    """An invented patient; all dates are shifted alike."""

    subject: int
    is_male: bool
    first_admitted: date
    year_group: int
    row: list[Cell] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stay:
    """One admission: what decides the outcome, the outcome drawn, and the decisive wording."""

    patient: Patient
    hadm: int
    traits: Traits
    died: bool
    admitted: datetime
    discharged: datetime
    icd_version: int
    illness: str = field(repr=False)


class Hospital(InventedHospital[Patient, Stay]):
    """The tables of one hospital."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, TABLES)
        self.examples: list[Traits] = []
        """Of the admissions that become examples of mortality."""
        self._last_hadm, self._last_subject, self._num_notes = 20_000_000, 10_000_000, 0

    def add(self, table: str, **cells: Cell) -> list[Cell]:
        """Append a row, which is returned; columns not named are NULL."""
        row = {**dict.fromkeys(TABLES[table], None), **cells}
        assert len(row) == len(TABLES[table]), f"unknown column of {table}"
        self.rows[table].append(list(row.values()))
        return self.rows[table][-1]

    def new_patient(self) -> Patient:
        """A patient without admissions so far."""
        rng = self.rng
        self._last_subject += rng.randint(1, 90)
        first = date(rng.randint(2110, 2200), rng.randint(1, 12), rng.randint(1, 28))
        is_male, year_group = rng.random() < 0.5, rng.randrange(len(YEAR_GROUPS))
        row = self.add(
            "hosp/patients",
            subject_id=self._last_subject,
            gender="M" if is_male else "F",
            anchor_age=rng.randint(18, 91),
            anchor_year=first.year,
            anchor_year_group=YEAR_GROUPS[year_group],
        )
        return Patient(self._last_subject, is_male, first, year_group, row)

    def admit(
        self,
        patient: Patient,
        *,
        after: datetime | None = None,
        days: float | None = None,
        died: bool | None = None,
        icd_version: int | None = None,
        **cells: Cell,
    ) -> Stay:
        """Draw an admission and its outcome, and enter it in all tables but the notes.

        died: draws again until the outcome is this, so that traits and outcome still belong together.
        cells: what stands in admissions instead of what follows from the stay.
        """
        traits, has_died = self.draw(died)
        stay = self._stay(patient, traits, has_died, after, days, icd_version)
        self._enter_admission(stay, cells)
        self._enter_icu_stay(stay)
        self._enter_codes(stay)
        if stay.died:
            patient.row[TABLES["hosp/patients"].index("dod")] = stay.discharged.date()
        return stay

    def write_up(self, stay: Stay) -> None:
        """The usual notes of an admission; it becomes an example."""
        self.add_summary(stay, self.sections(stay))
        self.examples.append(stay.traits)
        if self.rng.random() < 0.6:
            self.add_radiology(stay)

    def sections(self, stay: Stay) -> dict[str, str]:
        """The sections of the summary that is added next."""
        return summary_sections(stay.illness, stay.died, self.next_canary(), self.rng)

    def next_canary(self) -> str:
        """The mark of the note that is added next."""
        return canary(self._num_notes + 1)

    def add_summary(self, stay: Stay, sections: dict[str, str], *, has_upper_case: bool = False) -> None:
        """A discharge summary with these sections."""
        self.add_note(stay, summary(sections, is_male=stay.patient.is_male, has_upper_case=has_upper_case))

    def add_note(self, stay: Stay, text: str | None, *, kind: str = "DS", day: int = 0) -> None:
        """A row of note/discharge (kind DS, or AD for an addendum), `day` days after discharge."""
        note = self._add_note("note/discharge", stay, kind, stay.discharged + timedelta(days=day), text)
        self.add("note/discharge_detail", note_id=note, subject_id=stay.patient.subject, **_author())

    def add_radiology(self, stay: Stay, *, has_admission: bool = True) -> None:
        """A radiology report, which belongs to an admission or to none."""
        text = f"{say(self.rng, phrases.OTHER_NOTES['Radiology'])} {self.next_canary()}"
        note = self._add_note("note/radiology", stay, "RR", stay.admitted, text, has_admission=has_admission)
        exam: dict[str, Cell] = {"field_name": "exam_name", "field_value": "CHEST (PORTABLE AP)", "field_ordinal": 1}
        self.add("note/radiology_detail", note_id=note, subject_id=stay.patient.subject, **exam)

    def add_titles(self) -> None:
        """The dictionaries of codes; a few codes in use are missing there, as in the release."""
        for table, rows in (("diagnoses", codes.diagnosis_titles()), ("procedures", codes.procedure_titles())):
            for code, version, title in rows:
                self.add(f"hosp/d_icd_{table}", icd_code=code, icd_version=version, long_title=title)

    def _add_note(
        self, table: str, stay: Stay, kind: str, written: datetime, text: str | None, *, has_admission: bool = True
    ) -> str:
        self._num_notes += 1
        subject = stay.patient.subject
        number = 1 + sum(row[1] == subject and row[3] == kind for row in self.rows[table][-50:])
        note = f"{subject}-{kind}-{number}"
        self.add(
            table,
            note_id=note,
            subject_id=subject,
            hadm_id=stay.hadm if has_admission else None,
            note_type=kind,
            note_seq=number,
            charttime=written.replace(hour=0, minute=0, second=0),
            storetime=written,
            text=text,
        )
        return note

    def _stay(
        self,
        patient: Patient,
        traits: Traits,
        died: bool,
        after: datetime | None,
        days: float | None,
        icd_version: int | None,
    ) -> Stay:
        rng = self.rng
        self._last_hadm += rng.randint(1, 900)
        first = patient.first_admitted
        earliest = after or datetime(first.year, first.month, first.day)
        admitted = earliest + timedelta(minutes=rng.randint(1, 500_000))
        drawn = rng.lognormvariate(stay_mu(traits), STAY_SIGMA)
        version = 10 if rng.random() < SHARE_OF_ICD10[patient.year_group] else 9
        return Stay(
            patient=patient,
            hadm=self._last_hadm,
            traits=traits,
            died=died,
            admitted=admitted,
            discharged=admitted + timedelta(seconds=round((drawn if days is None else days) * 86_400)),
            icd_version=icd_version or version,
            illness=traits.wording(rng, 90, patient.is_male).replace("[**Age over 90 **]", MASK),
        )

    def _enter_admission(self, stay: Stay, cells: dict[str, Cell]) -> None:
        rng = self.rng
        usual: dict[str, Cell] = {
            "admittime": stay.admitted,
            "dischtime": stay.discharged,
            "deathtime": stay.discharged if stay.died else None,
            "admission_type": rng.choice(("EW EMER.", "URGENT", "OBSERVATION ADMIT", "SURGICAL SAME DAY ADMISSION")),
            "admit_provider_id": f"P{rng.randint(0, 9)}{rng.randint(0, 9)}XZQ",
            "admission_location": rng.choice(("EMERGENCY ROOM", "PHYSICIAN REFERRAL", "TRANSFER FROM HOSPITAL")),
            "discharge_location": "DIED" if stay.died else rng.choice(("HOME", "REHAB", "SKILLED NURSING FACILITY")),
            "insurance": rng.choice(("Medicare", "Medicaid", "Private", None)),
            "language": rng.choice(("English", "Spanish", None)),
            "marital_status": rng.choice(("MARRIED", "SINGLE", None)),
            "race": rng.choice(("WHITE", "BLACK/AFRICAN AMERICAN", "ASIAN - CHINESE", "UNKNOWN")),
            "hospital_expire_flag": int(stay.died),
        }
        self.add("hosp/admissions", subject_id=stay.patient.subject, hadm_id=stay.hadm, **{**usual, **cells})

    def _enter_icu_stay(self, stay: Stay) -> None:
        if self.rng.random() < 0.7:  # unlike in MIMIC-III, most admissions never see the unit
            return
        hours = max(1.0, min(60.0, (stay.discharged - stay.admitted) / timedelta(hours=1)))
        unit, entered = "Medical Intensive Care Unit (MICU)", stay.admitted + timedelta(minutes=5)
        self.add(
            "icu/icustays",
            subject_id=stay.patient.subject,
            hadm_id=stay.hadm,
            stay_id=stay.hadm + 10_000_000,
            first_careunit=unit,
            last_careunit=unit,
            intime=entered,
            outtime=entered + timedelta(hours=hours),
            los=round(hours / 24, 8),
        )

    def _enter_codes(self, stay: Stay) -> None:
        ids = {"subject_id": stay.patient.subject, "hadm_id": stay.hadm}
        version = stay.icd_version
        for position, code in enumerate((*stay.traits.reason_codes, stay.traits.background_code), start=1):
            name = codes.diagnosis(code, version)
            self.add("hosp/diagnoses_icd", **ids, seq_num=position, icd_code=name, icd_version=version)
        done = [code for reason in stay.traits.reason_codes for code in phrases.PROCEDURES_OF.get(reason, ())]
        for position, code in enumerate(dict.fromkeys(done), start=1):
            row: dict[str, Cell] = {"icd_code": codes.procedure(code, version), "icd_version": version}
            self.add("hosp/procedures_icd", **ids, seq_num=position, chartdate=stay.admitted.date(), **row)


def stay_mu(traits: Traits) -> float:
    """The mean of the logarithm of a stay's days."""
    return 1.2 + 0.8 * traits.is_grave + 0.5 * traits.course


def stay_shares(traits: Traits) -> tuple[float, ...]:
    """The probabilities of the four classes of stay."""
    below = [
        0.0,
        *(
            0.5 + 0.5 * math.erf((math.log(edge) - stay_mu(traits)) / (STAY_SIGMA * math.sqrt(2)))
            for edge in STAY_EDGES
        ),
        1.0,
    ]
    return tuple(upper - lower for lower, upper in pairwise(below))


def _author() -> dict[str, Cell]:
    return {"field_name": "author", "field_value": MASK, "field_ordinal": 1}
