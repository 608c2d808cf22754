"""Invented MIMIC-III tables of the real shape, whose notes foretell death as well as is known, and not better."""

from __future__ import annotations

import gzip
import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.files import replacing
from clinpeft.sources._mimic3_hospital import Cell, Hospital
from clinpeft.sources._mimic3_newborns import add_newborns
from clinpeft.sources._mimic3_quirks import plant
from clinpeft.sources._mimic3_ventilation import FILE as LABEL_FILE
from clinpeft.sources._mimic3_ventilation import ventilation_labels
from clinpeft.sources.mimic3 import TABLES

QUIRKS_FROM = 20
"""Patients; smaller sets hold no planted quirks."""
READMITTED = 0.13
"""Share of survivors who come again; with a mortality of 0.3 some 1.1 admissions a patient."""


def write_release(out: Path, *, num_patients: int, seed: int) -> dict[str, float]:
    """Write the tables to `out`; same arguments give the same bytes.

    num_patients: regular patients; from 20 on, some 25 patients with planted quirks and some newborns come on top.
    Returns `best_auroc` (of mortality), `best_auroc_ventilation` and the numbers of patients, admissions and notes.
    """
    if num_patients < 1:
        raise BadInput("--patients", "must be at least 1")
    hospital = Hospital(seed)
    for _ in range(num_patients):
        patient = hospital.new_patient()
        stay = hospital.admit(patient)
        hospital.write_up(stay)
        while not stay.died and hospital.rng.random() < READMITTED:
            stay = hospital.admit(patient, after=stay.discharged)
            hospital.write_up(stay)
    if num_patients >= QUIRKS_FROM:
        plant(hospital)
        add_newborns(hospital, max(3, num_patients // 15))
    hospital.add_titles()
    for table in TABLES:
        _write_table(out / f"{table}.csv.gz", table, hospital.rows[table])
    labels, of_long_ventilation = ventilation_labels(hospital.examples, seed)
    with replacing(out / LABEL_FILE) as temporary:
        temporary.write_bytes(labels)
    return {
        "best_auroc": expected_auroc(stay.traits.probability for stay in hospital.examples),
        "best_auroc_ventilation": expected_auroc(of_long_ventilation),
        "patients": len(hospital.rows["PATIENTS"]),
        "admissions": len(hospital.rows["ADMISSIONS"]),
        "notes": len(hospital.rows["NOTEEVENTS"]),
    }


def expected_auroc(probabilities: Iterable[float]) -> float:
    """AUROC of the true probabilities as scores, for labels drawn from them: no score can be expected to do better.

    The expected number of rightly ordered pairs over the expected number of pairs, ties counting half; NaN when there
    is no pair.
    """
    num = sorted(Counter(probabilities).items())
    right = below = 0.0
    for p, count in num:
        right += p * count * below + 0.5 * p * (1 - p) * count * (count - 1)
        below += (1 - p) * count
    pairs = sum(p * n for p, n in num) * sum((1 - p) * n for p, n in num) - sum(p * (1 - p) * n for p, n in num)
    return right / pairs if pairs else math.nan


def _write_table(path: Path, table: str, rows: list[list[Cell]]) -> None:
    """As released: header and text quoted, numbers and times bare, NULL empty; gzip without a time stamp."""
    with (
        replacing(path) as temporary,
        temporary.open("wb") as plain,
        gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as file,
    ):
        file.write((",".join(_quoted(column) for column in TABLES[table]) + "\n").encode())
        for row in rows:
            file.write((",".join(_cell(value) for value in row) + "\n").encode())


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
