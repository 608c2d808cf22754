"""Invented downloads of MIMIC-IV and MIMIC-IV-Note, whose notes foretell outcomes as well as is known, not better."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from clinpeft.sources._mimic4_hospital import Hospital, stay_shares
from clinpeft.sources._mimic4_quirks import plant
from clinpeft.sources._mimic_synthetic import QUIRKS_FROM, Cell, as_released, expected_auroc, packed_table
from clinpeft.sources.mimic4 import TABLES

READMITTED = 0.3
"""Share of survivors who come again."""
FOLDERS = {"hosp": "mimiciv/3.1", "icu": "mimiciv/3.1", "note": "mimic-iv-note/2.2"}
"""The two downloads by module, as PhysioNet's own commands lay them down."""


def write_release(out: Path, *, num_patients: int, seed: int) -> dict[str, float]:
    """Write both downloads below `out`; same arguments give the same bytes.

    num_patients: regular patients; from 20 on, some 25 patients with planted quirks come on top.
    Returns `best_auroc` (of mortality), `best_stay_auroc` (macro, one against the rest) and the numbers of patients,
    admissions and notes.
    """
    hospital = Hospital(seed)
    hospital.fill(num_patients, READMITTED)
    if num_patients >= QUIRKS_FROM:
        plant(hospital)
    hospital.add_titles()
    for table, rows in hospital.rows.items():
        _write_table(out / FOLDERS[table.partition("/")[0]] / f"{table}.csv.gz", TABLES[table], rows)
    return {
        "best_auroc": expected_auroc(traits.probability for traits in hospital.examples),
        "best_stay_auroc": _best_stay_auroc(hospital),
        "patients": len(hospital.rows["hosp/patients"]),
        "admissions": len(hospital.rows["hosp/admissions"]),
        "notes": len(hospital.rows["note/discharge"]) + len(hospital.rows["note/radiology"]),
    }


def _best_stay_auroc(hospital: Hospital) -> float:
    by_class = list(zip(*(stay_shares(traits) for traits in hospital.examples), strict=True))
    return sum(expected_auroc(shares) for shares in by_class) / len(by_class)


def _write_table(path: Path, columns: tuple[str, ...], rows: list[list[Cell]]) -> None:
    """As released: quotes only where a cell needs them, NULL empty."""
    with packed_table(path) as packed, io.TextIOWrapper(packed, encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([as_released(cell) for cell in row] for row in rows)
