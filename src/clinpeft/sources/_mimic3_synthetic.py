"""Invented MIMIC-III tables of the real shape, whose notes foretell death as well as is known, and not better."""

from __future__ import annotations

from pathlib import Path

from clinpeft.files import replacing
from clinpeft.sources._mimic3_hospital import Hospital
from clinpeft.sources._mimic3_newborns import add_newborns
from clinpeft.sources._mimic3_quirks import plant
from clinpeft.sources._mimic3_ventilation import FILE as LABEL_FILE
from clinpeft.sources._mimic3_ventilation import ventilation_labels
from clinpeft.sources._mimic_synthetic import QUIRKS_FROM, Cell, as_released, expected_auroc, packed_table
from clinpeft.sources.mimic3 import TABLES

READMITTED = 0.13
"""Share of survivors who come again; with a mortality of 0.3 some 1.1 admissions a patient."""


def write_release(out: Path, *, num_patients: int, seed: int) -> dict[str, float]:
    """Write the tables to `out`; same arguments give the same bytes.

    num_patients: regular patients; from 20 on, some 25 patients with planted quirks and some newborns come on top.
    Returns `best_auroc` (of mortality), `best_auroc_ventilation` and the numbers of patients, admissions and notes.
    """
    hospital = Hospital(seed)
    hospital.fill(num_patients, READMITTED)
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


def _write_table(path: Path, table: str, rows: list[list[Cell]]) -> None:
    """As released: header and text quoted, numbers and times bare, NULL empty."""
    with packed_table(path) as file:
        file.write((",".join(_quoted(column) for column in TABLES[table]) + "\n").encode())
        for row in rows:
            file.write((",".join(_cell(value) for value in row) + "\n").encode())


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    return _quoted(value) if isinstance(value, str) else str(as_released(value))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
