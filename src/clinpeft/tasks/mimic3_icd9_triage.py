"""mimic3-icd9-triage: which department does the main diagnosis of a discharge summary belong to?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from clinpeft.errors import BadInput
from clinpeft.sources._delimited import read_delimited
from clinpeft.sources.base import RawFiles
from clinpeft.tasks._icd import undotted
from clinpeft.tasks._mimic3_codes import read_titles
from clinpeft.tasks._mimic3_primary import STATED, Codebook, Mimic3Primary, Row
from clinpeft.tasks.base import BuildLog

DOCUMENTED: dict[str, tuple[tuple[str, int], ...]] = {
    "AcuteMedicine": (("0389", 1_043), ("5849", 213)),
    "Cardiology": (
        *(("41401", 2_118), ("41071", 988), ("4241", 711), ("4240", 323)),
        *(("4280", 283), ("41011", 281), ("41041", 277)),
    ),
    "Gastroenterology": (("5789", 224), ("5770", 193)),
    "Neurology": (("431", 460), ("430", 284)),
    "Obstetrics": (("V3001", 786), ("V3000", 520), ("V3101", 482)),
    "Oncology": (("1983", 197),),
    "Respiratory": (("51881", 613), ("486", 312), ("5070", 294)),
}
"""Codes of each class with their published numbers of training rows (10,602 in all)."""
PUBLISHED_MASKED = 9_559
"""Training rows of the variant without class names that Taylor et al. 2024 used."""
SEPSIS_DAMAGED, SEPSIS = "389", "0389"


class Mimic3Icd9Triage(Mimic3Primary):
    """One discharge summary, one of seven departments, by its first-listed diagnosis (Taylor et al. 2022)."""

    title: ClassVar[str] = "Department that the main diagnosis of a discharge summary belongs to"
    is_not: ClassVar[str] = (
        f"{STATED} Only admissions with one of 20 main diagnoses and with any procedure count. The published split "
        "parts rows, so patients stand on both sides of it. How the study of 2024 took class names out of the notes is "
        "not published, so `mask_category` gives other rows than its 9,559. Of the cleaning phrases nine are known."
    )

    mask_category: bool = False
    """Take the classes' names and the codes' long titles out of the notes."""
    triage_map: str | None = Field(default=None, exclude=True)
    """A CSV `code,class` in place of the documented 20 codes; the card lists its checksum."""

    def codebook(self, raw: RawFiles, log: BuildLog) -> Codebook:
        """The documented table, or the user's."""
        class_of = {code: name for name, codes in DOCUMENTED.items() for code, _ in codes}
        if self.triage_map is not None:
            class_of = read_triage_map(Path(self.triage_map), raw, log)
        classes = sorted(set(class_of.values()))
        log.label_space(classes)
        hidden = None
        if self.mask_category:
            titles = read_titles(raw, "DIAGNOSES_ICD", allow_modified=self.allow_modified)
            hidden = wordings([*classes, *(titles.get(code, "") for code in class_of)])
        return Codebook(labels=lambda rows: self._classes(rows, class_of), hidden=hidden)

    def expect(self, log: BuildLog, num_train: Counter[str], why: str | None) -> None:
        """The notebook's counts, for its own 20 codes."""
        if self.triage_map is not None:
            return
        for name, codes in DOCUMENTED.items():
            log.expect(f"{name} in train", sum(num for _, num in codes), num_train[name], "A", why)
        log.expect("examples in train", 10_602, num_train.total(), "A", why)
        if self.mask_category:
            other = "the study's variant without class names is another set of rows; how it was made is not published"
            log.expect("examples in train, variant of 2024", PUBLISHED_MASKED, num_train.total(), "V", other)

    def _classes(self, rows: Sequence[Row], class_of: dict[str, str]) -> dict[str, str]:
        """In paper mode codes lose their leading zeros on both sides, so that 0389 and 389 are one."""
        if self.mode == "correct":
            return class_of
        damaged = {code.lstrip("0"): name for code, name in class_of.items()}
        return {row.code: damaged[row.code.lstrip("0")] for row in rows if row.code.lstrip("0") in damaged}


def read_triage_map(path: Path, raw: RawFiles, log: BuildLog) -> dict[str, str]:
    """Class by code from a CSV with the columns `code` and `class`.

    The published table holds the sepsis code as 389: it is read as 0389, and noted. Raises BadInput for other columns,
    an empty cell, a code of two classes, and fewer than two classes.
    """
    if not path.is_file():
        raise BadInput(str(path), "is not there", "give the table with --set triage_map=FILE")
    name = f"triage_map/{path.name}"
    raw.note(path, name)
    columns, numbers, rows = read_delimited(RawFiles(path.parent), path, ",")
    if sorted(column.strip().lower() for column in columns) != ["class", "code"]:
        raise BadInput(f"{path.name}: row 1", "must name the columns code and class, and no others")
    class_of: dict[str, str] = {}
    for number, row in zip(numbers, rows, strict=True):
        cells = {column.strip().lower(): cell.strip() for column, cell in row.items()}
        code, of_class = undotted(cells["code"]), cells["class"]
        if not code or not of_class:
            raise BadInput(f"{path.name}: row {number}", "has an empty cell")
        if code == SEPSIS_DAMAGED:
            log.anomaly(name, number, "leading-zero-restored")
            code = SEPSIS
        if class_of.setdefault(code, of_class) != of_class:
            raise BadInput(f"{path.name}: row {number}", "gives a code a second class", "keep one of them")
    if len(set(class_of.values())) < 2:
        raise BadInput(path.name, "names fewer than two classes")
    return class_of


def wordings(names: Iterable[str]) -> re.Pattern[str]:
    """Finds each of the names in any case and with any blanks between its words; `AcuteMedicine` has two words.

    >>> wordings(["AcuteMedicine"]).sub("", "to Acute  medicine.")
    'to .'
    """
    split = {tuple(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).split()) for name in names} - {()}
    longest_first = sorted(split, key=lambda words: (-len(" ".join(words)), words))
    patterns = (r"\s*".join(re.escape(word) for word in words) for words in longest_first)
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)
