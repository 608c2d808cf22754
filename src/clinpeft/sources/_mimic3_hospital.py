"""The tables of an invented hospital while they are being filled, and their one source of randomness."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from clinpeft.sources import _mimic3_coding as coding
from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources._canary import canary
from clinpeft.sources._mimic3_phrases import say
from clinpeft.sources._mimic3_stays import Patient, Stay, Traits
from clinpeft.sources._mimic3_writing import summary, summary_sections
from clinpeft.sources._mimic_synthetic import Cell, InventedHospital
from clinpeft.sources.mimic3 import TABLES


class Hospital(InventedHospital[Patient, Stay]):
    """The tables of one hospital."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, TABLES)
        self.examples: list[Stay] = []
        """The admissions that become examples of mimic3-mortality."""
        self._last_hadm, self._last_subject = 100_000, 10_000

    def add(self, table: str, **cells: Cell) -> None:
        """Append a row; columns not named are NULL, ROW_ID counts up."""
        row = {**dict.fromkeys(TABLES[table], None), "ROW_ID": len(self.rows[table]) + 1, **cells}
        assert len(row) == len(TABLES[table]), f"unknown column of {table}"
        self.rows[table].append(list(row.values()))

    def new_patient(self, age: int | None = None) -> Patient:
        """A patient without admissions so far; `age` in years at the first one, 22 to 88 unless given."""
        rng = self.rng
        self._last_subject += rng.randint(1, 9)
        first = date(rng.randint(2101, 2190), rng.randint(1, 12), rng.randint(1, 28))
        born = date(first.year - (age or rng.randint(22, 88)), rng.randint(1, 12), rng.randint(1, 28))
        patient = Patient(self._last_subject, rng.random() < 0.5, born, first)
        gender = "M" if patient.is_male else "F"
        self.add("PATIENTS", SUBJECT_ID=patient.subject, GENDER=gender, DOB=_midnight(born), EXPIRE_FLAG=0)
        return patient

    def admit(
        self,
        patient: Patient,
        *,
        after: datetime | None = None,
        kind: str | None = None,
        days: float | None = None,
        died: bool | None = None,
    ) -> Stay:
        """Draw an admission and its outcome, and enter it in all tables but the notes.

        died: draws again until the outcome is this, so that traits and outcome still belong together.
        """
        traits, has_died = self.draw(died)
        stay = self._stay(patient, traits, has_died, after, kind, days)
        self._enter(stay)
        return stay

    def write_up(self, stay: Stay) -> None:
        """The usual notes of an admission; it becomes an example."""
        self.add_note(stay, summary(stay, summary_sections(stay, self.next_canary(), self.rng)))
        self.examples.append(stay)
        for category, phrase in phrases.OTHER_NOTES.items():
            if self.rng.random() < 0.3:
                text = f"{say(self.rng, phrase)} {self.next_canary()}"
                self.add_note(stay, text, category=category, description="Report", is_timed=True)

    def next_canary(self) -> str:
        """The mark of the note that is added next."""
        return canary(len(self.rows["NOTEEVENTS"]) + 1)

    def add_note(
        self,
        stay: Stay,
        text: str | None,
        *,
        category: str = "Discharge summary",
        description: str = "Report",
        day: int = 0,
        is_timed: bool = False,
        **cells: Cell,
    ) -> None:
        """A row of NOTEEVENTS, `day` days after discharge; only timed notes have a CHARTTIME and an author."""
        written = stay.discharged + timedelta(days=day)
        times: dict[str, Cell] = {"CHARTTIME": written, "CGID": self.rng.randint(14_000, 21_000)} if is_timed else {}
        row: dict[str, Cell] = {
            "SUBJECT_ID": stay.patient.subject,
            "HADM_ID": stay.hadm,
            "CHARTDATE": written.date(),
            "CATEGORY": category,
            "DESCRIPTION": description,
            "TEXT": text,
        }
        self.add("NOTEEVENTS", **{**row, **times, **cells})

    def add_titles(self) -> None:
        """The dictionaries of codes; a few codes in use are missing there, as in the release."""
        diagnoses, procedures = phrases.DIAGNOSES | coding.DIAGNOSES, phrases.PROCEDURES | coding.PROCEDURES
        for table, titles in (("D_ICD_DIAGNOSES", diagnoses), ("D_ICD_PROCEDURES", procedures)):
            for code, (short, long) in titles.items():
                self.add(table, ICD9_CODE=code, SHORT_TITLE=short, LONG_TITLE=long)

    def _stay(
        self,
        patient: Patient,
        traits: Traits,
        died: bool,
        after: datetime | None,
        kind: str | None,
        days: float | None,
    ) -> Stay:
        rng = self.rng
        self._last_hadm += rng.randint(1, 30)
        earliest = after or _midnight(patient.first_admitted)
        admitted = (earliest + timedelta(minutes=rng.randint(1, 500_000))).replace(second=0)
        if days is None:
            days = rng.lognormvariate(1.5 + 0.4 * traits.is_grave + 0.2 * traits.course, 0.6)
        age = int((admitted.date() - patient.born).days / 365.25)
        return Stay(
            patient=patient,
            hadm=self._last_hadm,
            kind=kind or rng.choices(("EMERGENCY", "ELECTIVE", "URGENT"), (70, 25, 5))[0],
            traits=traits,
            died=died,
            admitted=admitted,
            discharged=admitted + timedelta(seconds=round(days * 86_400)),
            illness=traits.wording(rng, age, patient.is_male),
        )

    def _enter(self, stay: Stay) -> None:
        """Admission, ICU stay, codes; a death also in PATIENTS."""
        ids = {"SUBJECT_ID": stay.patient.subject, "HADM_ID": stay.hadm}
        self._enter_admission(stay, ids)
        self._enter_icu_stay(stay, ids)
        self._enter_codes(stay, ids)
        if stay.died:
            self._enter_death(stay)

    def _enter_admission(self, stay: Stay, ids: dict[str, int]) -> None:
        rng = self.rng
        self.add(
            "ADMISSIONS",
            **ids,
            ADMITTIME=stay.admitted,
            DISCHTIME=stay.discharged,
            DEATHTIME=stay.discharged if stay.died else None,
            ADMISSION_TYPE=stay.kind,
            ADMISSION_LOCATION=rng.choice(("EMERGENCY ROOM ADMIT", "PHYS REFERRAL/NORMAL DELI")),
            DISCHARGE_LOCATION="DEAD/EXPIRED" if stay.died else rng.choice(("HOME", "SNF", "REHAB/DISTINCT PART HOSP")),
            INSURANCE=rng.choice(("Medicare", "Private", "Medicaid")),
            LANGUAGE=rng.choice(("ENGL", "SPAN", None)),
            RELIGION=rng.choice(("CATHOLIC", "NOT SPECIFIED", None)),
            MARITAL_STATUS=rng.choice(("MARRIED", "SINGLE", None)),
            ETHNICITY=rng.choice(("WHITE", "BLACK/AFRICAN AMERICAN", "ASIAN", "UNKNOWN/NOT SPECIFIED")),
            DIAGNOSIS=rng.choice(phrases.COMPLAINTS).upper(),
            HOSPITAL_EXPIRE_FLAG=int(stay.died),
            HAS_CHARTEVENTS_DATA=1,
        )

    def _enter_icu_stay(self, stay: Stay, ids: dict[str, int]) -> None:
        hours = max(1.0, min(60.0, (stay.discharged - stay.admitted) / timedelta(hours=1)))
        unit, entered = self.rng.choice(("MICU", "SICU", "CCU", "TSICU")), stay.admitted + timedelta(minutes=5)
        self.add(
            "ICUSTAYS",
            **ids,
            ICUSTAY_ID=stay.hadm + 100_000,
            DBSOURCE="metavision",
            FIRST_CAREUNIT=unit,
            LAST_CAREUNIT=unit,
            FIRST_WARDID=52,
            LAST_WARDID=52,
            INTIME=entered,
            OUTTIME=entered + timedelta(hours=hours),
            LOS=round(hours / 24, 4),
        )

    def _enter_codes(self, stay: Stay, ids: dict[str, int]) -> None:
        for position, code in enumerate(coding.diagnoses_of(stay), start=1):
            self.add("DIAGNOSES_ICD", **ids, SEQ_NUM=position, ICD9_CODE=code)
        for position, code in enumerate(coding.procedures_of(stay), start=1):
            self.add("PROCEDURES_ICD", **ids, SEQ_NUM=position, ICD9_CODE=code)

    def _enter_death(self, stay: Stay) -> None:
        columns = TABLES["PATIENTS"]
        row = next(row for row in reversed(self.rows["PATIENTS"]) if row[1] == stay.patient.subject)
        row[columns.index("DOD")] = row[columns.index("DOD_HOSP")] = _midnight(stay.discharged.date())
        row[columns.index("EXPIRE_FLAG")] = 1


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)
