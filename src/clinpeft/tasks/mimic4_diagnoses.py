"""mimic4-diagnoses: which diagnoses will the admission be coded with, judged by what was written at its start?

ICD-9 and ICD-10 are two languages: a label says in which it speaks, and by default only admissions coded in ICD-10
are taken.
"""

from __future__ import annotations

import re
import sys
from typing import ClassVar, Literal

from clinpeft.errors import BadInput
from clinpeft.sources._positions import listed
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic4 import open_table
from clinpeft.spec import Kind
from clinpeft.tasks._icd import category, undotted
from clinpeft.tasks._judging import Case, Judge
from clinpeft.tasks._mimic4_notes import Admission
from clinpeft.tasks._mimic4_outcome import FROM_SUMMARIES, NOT_MIMIC3, Mimic4Outcome
from clinpeft.tasks.base import BuildLog

NUM_CODES = 6_364_488
"""Rows of diagnoses_icd in MIMIC-IV 3.1."""
MOST_MISFITS, LARGEST_SHARE = 100, 0.01
"""Codes that are none of the version that their row names, and their share of all: with more than both, the file was
mixed up or damaged."""
_SHAPES = {
    9: re.compile(r"[0-9]{3,5}|V[0-9]{2,4}|E[0-9]{2,4}"),
    10: re.compile(r"[A-Z][0-9][0-9A-Z]{1,5}"),
}


class Mimic4Diagnoses(Mimic4Outcome):
    """One admission, all its diagnoses as the first characters of their codes (`10:I50`, `9:428`, `9:V451`)."""

    kind: ClassVar[Kind] = "multilabel"
    metric: ClassVar[str] = "auroc"
    title: ClassVar[str] = (
        "Diagnoses an admission is coded with, foretold from the notes written at its start (MIMIC-IV)"
    )
    is_not: ClassVar[str] = (
        f"Not coding: {FROM_SUMMARIES} Codes are those billed, in groups of three characters (four for the E and V "
        f"codes of ICD-9), and cover what was found later in the stay. {NOT_MIMIC3}"
    )

    icd: Literal["9", "10", "both"] = "10"
    """Which version's codes are labels; admissions without any of it are left out."""

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """The codes of each admission; classes are all that stand in the table, also of admissions without notes."""
        versions = (9, 10) if self.icd == "both" else (int(self.icd),)
        groups = read_groups(raw, log, versions, allow_modified=self.allow_modified)
        log.label_space(sorted({group for of in groups.values() for group in of}))
        return _Codes(groups)


def read_groups(
    raw: RawFiles, log: BuildLog, versions: tuple[int, ...], *, allow_modified: bool = False
) -> dict[int, list[str]]:
    """The groups of diagnoses of each admission, by hadm_id and each once, in the order of the table.

    Raises BadInput for a version that is neither 9 nor 10, and where too many codes are none of theirs.
    """
    columns = ("hadm_id", "icd_code", "icd_version")
    table = open_table(raw, "diagnoses_icd", columns, allow_modified=allow_modified)
    groups: dict[int, list[str]] = {}
    num_read = num_coded = num_used = 0
    misfits: list[int] = []
    for line, (hadm_cell, code, version_cell) in table:
        num_read += 1
        version = table.number(version_cell, "ICD_VERSION", line)
        if version not in {9, 10}:
            raise BadInput(f"{table.where(line)}, column ICD_VERSION", "is neither 9 nor 10", "download the file again")
        code = undotted(code)
        num_coded += bool(code)
        if not code or version not in versions:
            continue
        if not _SHAPES[version].fullmatch(code):
            misfits.append(line)
            continue
        num_used += 1
        group = sys.intern(group_of(code, version))
        of = groups.setdefault(table.needed(hadm_cell, "HADM_ID", line), [])
        if group not in of:
            of.append(group)
    _tell_misfits(table.name, misfits, num_used, log)
    log.expect("rows of diagnoses_icd", NUM_CODES, num_read, "V")
    log.filtered("diagnosis-rows-with-code", num_coded, num_read - num_coded)
    log.filtered("diagnosis-rows-of-chosen-version", num_used, num_coded - num_used)
    return groups


def group_of(code: str, version: int) -> str:
    """The label of a code without a dot: its version and its first three characters, four for E and V codes of ICD-9.

    >>> group_of("V4581", 9), group_of("0389", 9), group_of("I5023", 10)
    ('9:V458', '9:038', '10:I50')
    """
    return f"9:{category(code)}" if version == 9 else f"10:{code[:3]}"


class _Codes(Judge):
    steps = ("with-codes",)

    def __init__(self, groups: dict[int, list[str]]) -> None:
        self._groups = groups

    def judge(self, hadm: int, text: str) -> Case | str:
        groups = self._groups.get(hadm)
        return Case(text, tuple(sorted(groups))) if groups else "with-codes"


def _tell_misfits(name: str, misfits: list[int], num_sound: int, log: BuildLog) -> None:
    if len(misfits) > max(MOST_MISFITS, LARGEST_SHARE * (num_sound + len(misfits))):
        rule = "hold codes that are none of the version that icd_version names"
        remedy = "download the file again: zeros lost, or versions mixed?"
        raise BadInput(f"{name}, {listed('line', misfits)}", rule, remedy)
    for line in misfits:
        log.anomaly(name, line, "code-of-another-version")
