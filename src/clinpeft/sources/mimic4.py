"""MIMIC-IV: the tables of a whole hospital, and its notes, which are a download of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from clinpeft.errors import BadInput
from clinpeft.sources._checksums import check_sum
from clinpeft.sources._mimic_releases import release_of
from clinpeft.sources._tables import Table, find_table
from clinpeft.sources.base import RawFiles, Source

_CODES = ("subject_id", "hadm_id", "seq_num")
_NOTE = ("note_id", "subject_id", "hadm_id", "note_type", "note_seq", "charttime", "storetime", "text")
_DETAIL = ("note_id", "subject_id", "field_name", "field_value", "field_ordinal")
_TITLE = ("icd_code", "icd_version", "long_title")
TABLES: dict[str, tuple[str, ...]] = {
    "hosp/admissions": (
        *("subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type", "admit_provider_id"),
        *("admission_location", "discharge_location", "insurance", "language", "marital_status", "race"),
        *("edregtime", "edouttime", "hospital_expire_flag"),
    ),
    "hosp/patients": ("subject_id", "gender", "anchor_age", "anchor_year", "anchor_year_group", "dod"),
    "hosp/diagnoses_icd": (*_CODES, "icd_code", "icd_version"),
    "hosp/procedures_icd": (*_CODES, "chartdate", "icd_code", "icd_version"),
    "hosp/d_icd_diagnoses": _TITLE,
    "hosp/d_icd_procedures": _TITLE,
    "icu/icustays": (
        *("subject_id", "hadm_id", "stay_id", "first_careunit", "last_careunit", "intime", "outtime", "los"),
    ),
    "note/discharge": _NOTE,
    "note/discharge_detail": _DETAIL,
    "note/radiology": _NOTE,
    "note/radiology_detail": _DETAIL,
}
"""Columns of MIMIC-IV 3.1 (2.2 has the same) and of MIMIC-IV-Note 2.2, in their order; names lead through the folder
of the module."""
MODULE_OF = {place.partition("/")[2]: place.partition("/")[0] for place in TABLES}
DEEPEST = 5
"""Folders below the one that is given; `physionet.org/files/mimiciv/3.1/hosp` is what a mirroring download makes."""
MOST_ENTRIES = 200
"""A folder with more is not gone through: none of the releases' folders has as many."""


class Mimic4(Source):
    """A folder above both downloads (hosp tables and notes), or with all tables in it; names in upper or lower case.

    Both are looked for by the names of their folders and files, whatever the folders above are called.
    """

    title: ClassVar[str] = "MIMIC-IV with MIMIC-IV-Note: hospital admissions in Boston, 2008-2022, with their summaries"
    release: ClassVar[str | None] = "3.1 or 2.2, with notes 2.2"
    folders: ClassVar[tuple[str, ...]] = ("hosp", "note")

    def find(self, folder: Path) -> Path | None:
        """The deepest folder above both downloads, at or below `folder`; `folder` itself where one is missing."""
        if not folder.is_dir() or not self.is_here(folder):
            return None
        hosp, note = (module_folders(folder, module) for module in ("hosp", "note"))
        return Path(os.path.commonpath([*hosp, *note])) if hosp and note else folder

    def is_here(self, folder: Path) -> bool:
        """The hosp tables or the notes lie at or below it."""
        return bool(module_folders(folder, "hosp") or module_folders(folder, "note"))

    def synthesize(self, out: Path, *, num_patients: int = 400, seed: int) -> dict[str, float]:
        """Two invented downloads side by side; their notes foretell death and stay as well as is told, not better."""
        from clinpeft.sources._mimic4_synthetic import write_release

        return write_release(out, num_patients=num_patients, seed=seed)


def module_folders(root: Path, module: str) -> list[Path]:
    """The folders at or below `root` with the tables of a module, `hosp` or `note`.

    The hosp tables lie in a folder of that name, or beside the notes; those of MIMIC-III, which are called alike, do
    neither.
    """
    return [folder for folder, names in _folders_below(root, DEEPEST) if module in _modules_in(folder, names)]


def open_table(raw: RawFiles, table: str, columns: tuple[str, ...], *, allow_modified: bool = False) -> Table:
    """The wanted columns of a table, to be read as a stream.

    Raises BadInput when the table is missing (as the notes are in the demo), stands in two places, is one of MIMIC-III
    or, unless `allow_modified`, differs from the release's checksum.
    """
    module = MODULE_OF[table]
    folders = module_folders(raw.root, module)
    if len(folders) > 1:
        places = " and ".join(str(folder.relative_to(raw.root)) for folder in folders)
        raise BadInput(str(raw.root), f"holds tables of '{module}' in {places}", "keep one release below the folder")
    path = find_table(RawFiles(folders[0]), table) if folders else None
    if path is None:
        raise _missing(raw.root, table)
    if release_of(raw, path) == "MIMIC-III":
        where = f"{path.relative_to(raw.root)}, line 1"
        raise BadInput(where, "is a table of MIMIC-III (it has ROW_ID)", "give MIMIC-IV, or a mimic3 task")
    if not allow_modified:
        check_sum(raw, path, path.parents[1] if path.parent.name.lower() == module else path.parent)
    known = TABLES[f"{module}/{table}"]
    return Table(raw, path, tuple(column.upper() for column in columns), tuple(column.upper() for column in known))


def _folders_below(folder: Path, depth: int) -> Iterator[tuple[Path, set[str]]]:
    """Every folder with the names of its tables in lower case, without what says how they are packed."""
    try:
        entries = sorted(folder.iterdir())
    except PermissionError:  # some other folder of theirs beside the downloads
        return
    names = {entry.name.lower().removesuffix(".gz") for entry in entries}
    yield folder, {name.removesuffix(".csv") for name in names if name.endswith(".csv")}
    if depth and len(entries) <= MOST_ENTRIES:
        for entry in entries:
            if entry.is_dir():
                yield from _folders_below(entry, depth - 1)


def _modules_in(folder: Path, tables: set[str]) -> set[str]:
    modules = {"note"} if "discharge" in tables else set()
    if "admissions" in tables and (modules or folder.name.lower() == "hosp"):
        modules.add("hosp")
    return modules


def _missing(root: Path, table: str) -> BadInput:
    if MODULE_OF[table] != "note":
        remedy = "give the folder above both downloads, MIMIC-IV (with hosp/) and MIMIC-IV-Note (with note/)"
        return BadInput(str(root), f"holds no table {table} ({table}.csv.gz or .csv)", remedy)
    folders = [root, *module_folders(root, "hosp")]
    is_demo = any("demo" in part.lower() for folder in folders for part in folder.relative_to(root.parent).parts)
    is_demo = is_demo or any((folder.parent / "demo_subject_id.csv").is_file() for folder in folders)
    if is_demo:
        remedy = "the demo leaves them out: get the full MIMIC-IV and MIMIC-IV-Note"
        return BadInput(str(root), "this release has no notes", remedy)
    remedy = "MIMIC-IV-Note is a download of its own: put it beside MIMIC-IV and give the folder above both"
    return BadInput(str(root), f"holds no notes ({table}.csv.gz or .csv)", remedy)
