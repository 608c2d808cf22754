"""A split of MIMIC-IV by time: the patients of the newest true years are test, the older ones train and validation.

Dates are shifted for each patient apart, so they have no order between patients. What has one is `anchor_year_group`
of the table patients: the three years, not shifted, in which a patient's anchor year lies.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from clinpeft.errors import BadInput
from clinpeft.sources._positions import listed
from clinpeft.sources._tables import Table
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic4 import open_table
from clinpeft.tasks._hash_split import split_older_by_hash
from clinpeft.tasks._judging import SplitName
from clinpeft.tasks.base import BuildLog

ONE_IN = 10
"""Patients who must be test: where fewer are of the newest group, the next one goes along. The notes are those of
release 2.2, and its successor 3.1 added a last group."""
FIRST_SHIFTED_YEAR = 2100
YEARS = re.compile(r"([0-9]{4}) ?- ?([0-9]{4})")

YearGroup = tuple[int, int]
"""First and last year."""


def split_by_years(
    raw: RawFiles, subjects: Iterable[int], log: BuildLog, *, allow_modified: bool = False
) -> dict[int, SplitName]:
    """The split of each of `subjects`, the patients with a note in the cohort.

    Test: the newest groups of years that any of them has, as few as hold a tenth of them, and never the oldest. The
    others: train and validation, 7 to 1 by the hash of the subject.

    Raises BadInput when one of them is not in the table or all are of one group, and for what `read_year_groups`
    refuses.
    """
    group_of = read_year_groups(raw, allow_modified=allow_modified)
    known = set(subjects)
    if missing := len(known - group_of.keys()):
        rule = f"lacks {missing:,} of the {len(known):,} subjects with notes"
        raise BadInput("patients", rule, "give the tables and notes of releases that belong together")
    sizes = Counter(group_of[subject] for subject in known)
    first = _first_of_test(sizes)
    num_test = sum(size for group, size in sizes.items() if group >= first)
    log.filtered(f"counted-only: test, the patients of {first[0]} - {max(sizes)[1]}", num_test, len(known) - num_test)
    return {
        subject: "test" if group_of[subject] >= first else split_older_by_hash("mimic4", str(subject))
        for subject in known
    }


def read_year_groups(raw: RawFiles, *, allow_modified: bool = False) -> dict[int, YearGroup]:
    """The group of years of each subject of the table patients.

    Raises BadInput for a repeated subject, a group that is missing, malformed or in years that are not yet, groups
    that overlap, and a table without rows; no cell is quoted.
    """
    columns = ("subject_id", "anchor_year_group")
    table = open_table(raw, "patients", columns, allow_modified=allow_modified)
    groups: dict[int, YearGroup] = {}
    line_of: dict[YearGroup, int] = {}
    for line, (subject_cell, cell) in table:
        subject = table.needed(subject_cell, "SUBJECT_ID", line)
        if subject in groups:
            raise BadInput(table.where(line), "repeats a subject_id", "download the file again")
        groups[subject] = _year_group(cell, table, line)
        line_of.setdefault(groups[subject], line)
    if not groups:
        raise BadInput(table.name, "holds no patients", "download the file again")
    ordered = sorted(line_of)
    overlapping = [pair for pair in pairwise(ordered) if pair[1][0] <= pair[0][1]]
    if overlapping:
        where = f"{table.name}, {listed('line', sorted(line_of[group] for group in overlapping[0]))}"
        raise BadInput(f"{where}, column ANCHOR_YEAR_GROUP", "hold groups that overlap", "give the file as released")
    return groups


def _year_group(cell: str, table: Table, line: int) -> YearGroup:
    where = f"{table.where(line)}, column ANCHOR_YEAR_GROUP"
    if not cell:
        raise BadInput(where, "is empty", "download the file again")
    found = YEARS.fullmatch(cell.strip())
    if found is None or int(found[1]) > int(found[2]):
        raise BadInput(where, "is no group of years such as '2008 - 2010'", "give the file as released")
    if int(found[2]) >= FIRST_SHIFTED_YEAR:
        rule = f"lies in {FIRST_SHIFTED_YEAR} or later: shifted years have no order between patients"
        raise BadInput(where, rule, "give the file as released")
    return int(found[1]), int(found[2])


def _first_of_test(sizes: Counter[YearGroup]) -> YearGroup:
    """The oldest group of test."""
    if len(sizes) < 2:
        rule = "all patients with notes are of one group of years, so none is newer"
        raise BadInput("split=anchor_year_group", rule, "give more of the release, or take split=hash")
    newest_first, num_taken = sorted(sizes, reverse=True), 0
    for group in newest_first[:-1]:
        num_taken += sizes[group]
        if ONE_IN * num_taken >= sizes.total():
            return group
    return newest_first[-2]
