"""MIMIC-III: the tables of a hospital's intensive-care database, with its notes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from clinpeft.errors import BadInput
from clinpeft.sources._checksums import check_sum
from clinpeft.sources._mimic_releases import release_of
from clinpeft.sources._tables import Table, find_table
from clinpeft.sources.base import RawFiles, Source

_TITLES = ("ROW_ID", "ICD9_CODE", "SHORT_TITLE", "LONG_TITLE")
_CODES = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "SEQ_NUM", "ICD9_CODE")
TABLES: dict[str, tuple[str, ...]] = {
    "ADMISSIONS": (
        *("ROW_ID", "SUBJECT_ID", "HADM_ID", "ADMITTIME", "DISCHTIME", "DEATHTIME", "ADMISSION_TYPE"),
        *("ADMISSION_LOCATION", "DISCHARGE_LOCATION", "INSURANCE", "LANGUAGE", "RELIGION", "MARITAL_STATUS"),
        *("ETHNICITY", "EDREGTIME", "EDOUTTIME", "DIAGNOSIS", "HOSPITAL_EXPIRE_FLAG", "HAS_CHARTEVENTS_DATA"),
    ),
    "PATIENTS": ("ROW_ID", "SUBJECT_ID", "GENDER", "DOB", "DOD", "DOD_HOSP", "DOD_SSN", "EXPIRE_FLAG"),
    "NOTEEVENTS": (
        *("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY", "DESCRIPTION"),
        *("CGID", "ISERROR", "TEXT"),
    ),
    "DIAGNOSES_ICD": _CODES,
    "PROCEDURES_ICD": _CODES,
    "D_ICD_DIAGNOSES": _TITLES,
    "D_ICD_PROCEDURES": _TITLES,
    "ICUSTAYS": (
        *("ROW_ID", "SUBJECT_ID", "HADM_ID", "ICUSTAY_ID", "DBSOURCE", "FIRST_CAREUNIT", "LAST_CAREUNIT"),
        *("FIRST_WARDID", "LAST_WARDID", "INTIME", "OUTTIME", "LOS"),
    ),
}
"""Columns of release 1.4 in its order."""


class Mimic3(Source):
    """The folder of `.csv.gz` (or `.csv`) tables as PhysioNet gives them; names in upper or lower case."""

    title: ClassVar[str] = "MIMIC-III Clinical Database: intensive-care admissions in Boston, 2001-2012, with notes"
    release: ClassVar[str | None] = "1.4"
    folders: ClassVar[tuple[str, ...]] = (
        *("mimic-iii-clinical-database-1.4", "mimiciii/1.4", "physionet.org/files/mimiciii/1.4", "1.4"),
        *("mimiciii", "mimic-iii", "mimic_iii", "mimic3", "MIMIC-III", "MIMICIII", "MIMIC3"),
    )

    def is_here(self, folder: Path) -> bool:
        """Admissions lie there, beside notes or ICU stays (in MIMIC-IV these lie in folders of their own)."""
        names = {path.name.lower().removesuffix(".gz") for path in folder.iterdir()}
        return "admissions.csv" in names and bool(names & {"noteevents.csv", "icustays.csv"})

    def synthesize(self, out: Path, *, num_patients: int = 400, seed: int) -> dict[str, float]:
        """Invented tables whose admission notes foretell death as well as `best_auroc` says, and not better."""
        from clinpeft.sources._mimic3_synthetic import write_release

        return write_release(out, num_patients=num_patients, seed=seed)


def open_table(raw: RawFiles, table: str, columns: tuple[str, ...], *, allow_modified: bool = False) -> Table:
    """The wanted columns of a table, to be read as a stream.

    Raises BadInput when the table is missing, is one of MIMIC-IV or, unless `allow_modified`, differs from the
    release's checksum.
    """
    path = find_table(raw, table)
    if path is None:
        names = {entry.name.lower().partition(".")[0] for entry in raw.root.iterdir()}
        is_mimic4 = bool(names & {"hosp", "note", "discharge", "provider"})
        remedy = "these look like MIMIC-IV files" if is_mimic4 else "give the folder with the tables of MIMIC-III 1.4"
        raise BadInput(str(raw.root), f"holds no table {table} ({table}.csv.gz or .csv)", remedy)
    if release_of(raw, path) == "MIMIC-IV":
        where = f"{path.relative_to(raw.root)}, line 1"
        raise BadInput(where, "is a table of MIMIC-IV", "give MIMIC-III 1.4, or a mimic4 task")
    if not allow_modified:
        check_sum(raw, path)
    return Table(raw, path, columns, TABLES[table])
