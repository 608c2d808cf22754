"""ICD-9 codes of admissions as labels: what the diagnosis and procedure tasks of MIMIC-III share.

Follows van Aken et al. 2021 (CORe), tasks dia, pro, dia_plus and pro_plus of their repository at b376f4b.
"""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import open_table
from clinpeft.spec import Kind
from clinpeft.tasks._icd import category, undotted
from clinpeft.tasks._judging import Case, Judge, SplitName
from clinpeft.tasks._mimic3_notes import Admission
from clinpeft.tasks._mimic3_outcome import CORE_PAPER, MIMIC3_PAPER, Mimic3Outcome, explained
from clinpeft.tasks._stop_words import STOP_WORDS
from clinpeft.tasks.base import BuildLog

CodeTable = Literal["DIAGNOSES_ICD", "PROCEDURES_ICD"]
DICTIONARIES: dict[CodeTable, str] = {"DIAGNOSES_ICD": "D_ICD_DIAGNOSES", "PROCEDURES_ICD": "D_ICD_PROCEDURES"}
PUBLISHED_ROWS: dict[CodeTable, int] = {"DIAGNOSES_ICD": 651_047, "PROCEDURES_ICD": 240_095}
PUBLISHED_WITHOUT_TITLE: dict[CodeTable, int] = {"DIAGNOSES_ICD": 144, "PROCEDURES_ICD": 16}
PUBLISHED_SPLITS: dict[CodeTable, dict[SplitName, int]] = {
    "DIAGNOSES_ICD": {"train": 33_994, "validation": 4_918, "test": 9_829},
    "PROCEDURES_ICD": {"train": 30_030, "validation": 4_357, "test": 8_681},
}
ICD9: dict[CodeTable, re.Pattern[str]] = {
    "DIAGNOSES_ICD": re.compile(r"[0-9EV][0-9]{1,5}"),
    "PROCEDURES_ICD": re.compile(r"[0-9]{1,5}"),
}
"""What a code may look like without its dot, wider than the books; anything else is of ICD-10, or no code."""
LEARNED_ONLY = "+"
"""Starts the labels that a model learns and that the headline metric leaves out."""
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def read_codes(
    raw: RawFiles, table: CodeTable, log: BuildLog, why: str | None, *, allow_modified: bool = False
) -> Iterator[tuple[int, int | None, str]]:
    """(HADM_ID, SEQ_NUM, code) of every row that has a code, in file order; codes are strings, dots taken out.

    why: what explains another number of rows than the release has. Raises BadInput at a code that is not of ICD-9.
    """
    rows = open_table(raw, table, ("HADM_ID", "SEQ_NUM", "ICD9_CODE"), allow_modified=allow_modified)
    num_read = num_without = num_dotted = 0
    for line, (hadm, position, cell) in rows:
        num_read += 1
        code = undotted(cell)
        if not code:
            num_without += 1
            continue
        num_dotted += "." in cell
        if not ICD9[table].fullmatch(code):
            rule = "is no ICD-9 code, and MIMIC-III holds no others"
            raise BadInput(f"{rows.where(line)}, column ICD9_CODE", rule, "give the file as released")
        yield rows.needed(hadm, "HADM_ID", line), rows.number(position, "SEQ_NUM", line), code
    if num_dotted:
        log.anomaly(rows.name, None, "codes-with-dots")
    log.filtered(f"rows of {table} with a code", num_read - num_without, num_without)
    log.expect(f"rows of {table}", PUBLISHED_ROWS[table], num_read, "V", why)


def read_titles(raw: RawFiles, table: CodeTable, *, allow_modified: bool = False) -> dict[str, str]:
    """LONG_TITLE by code, from the dictionary of a table's codes; codes as in `read_codes`."""
    rows = open_table(raw, DICTIONARIES[table], ("ICD9_CODE", "LONG_TITLE"), allow_modified=allow_modified)
    titles: dict[str, str] = {}
    for _, (code, title) in rows:
        titles.setdefault(undotted(code), title)
    return titles


def damaged_category(code: str) -> str:
    """What is left of a procedure code that was read as a number: its leading zeros are lost before it is cut.

    >>> damaged_category("0331"), damaged_category("3310"), damaged_category("0066")
    ('331', '331', '66')
    """
    return str(int(code))[:3]


def title_words(title: str) -> list[str]:
    """The words of a title in lower case without punctuation and stop words.

    >>> title_words("Septicemia due to gram-negative organism, unspecified")
    ['septicemia', 'due', 'gramnegative', 'organism', 'unspecified']
    """
    return [word for word in title.translate(_NO_PUNCTUATION).lower().split() if word not in STOP_WORDS]


def damaged_title_words(title: str) -> list[str]:
    """The same, split at single blanks: an empty title, and two blanks in a row, give an empty word."""
    return [word for word in title.translate(_NO_PUNCTUATION).lower().split(" ") if word not in STOP_WORDS]


class Mimic3Codes(Mimic3Outcome):
    """All codes of an admission, cut to their categories."""

    kind: ClassVar[Kind] = "multilabel"
    metric: ClassVar[str] = "auroc"
    citation: ClassVar[str] = f"{CORE_PAPER} {MIMIC3_PAPER}"
    _table: ClassVar[CodeTable]
    _published_categories: ClassVar[int | None] = None

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """The labels of each admission; the label space is that of the whole table, newborns included."""
        codes_of: defaultdict[int, set[str]] = defaultdict(set)
        one_each: dict[str, str] = {}
        num_before, why = len(log.expected), explained(log, len(admissions))
        for hadm, _, code in read_codes(raw, self._table, log, why, allow_modified=self.allow_modified):
            codes_of[hadm].add(one_each.setdefault(code, code))
        why = _as_counted(log, num_before)
        labels_of = self.labels_of(sorted(one_each), raw, log, why)
        space = sorted(set[str]().union(*labels_of.values()), key=_scored_first)
        log.label_space(space)
        if self._published_categories is not None:
            num = sum(not label.startswith(LEARNED_ONLY) for label in space)
            log.expect("categories in the label space", self._published_categories, num, "V", self.why_others(why))
        return _WithCodes(codes_of, labels_of)

    def labels_of(
        self, codes: Sequence[str], raw: RawFiles, log: BuildLog, why: str | None
    ) -> dict[str, frozenset[str]]:
        """The labels that each code brings. why: what explains that other codes are in use than in the release."""
        return {code: frozenset({category(code)}) for code in codes}

    def why_others(self, why: str | None) -> str | None:
        """What explains another number of categories than the published one; `why` as in `labels_of`."""
        return why


class Mimic3CodesPlus(Mimic3Codes):
    """The categories, and beside them, learned only: codes one digit longer and the words of the codes' titles."""

    metric: ClassVar[str] = "auroc-codes"
    has_paper_mode: ClassVar[bool] = True

    def labels_of(
        self, codes: Sequence[str], raw: RawFiles, log: BuildLog, why: str | None
    ) -> dict[str, frozenset[str]]:
        """The category, and behind a `+` the longer code and the words.

        In paper mode a code without a title brings the empty word (label `+`), and a word that looks like a category
        counts as that category.
        """
        titles = read_titles(raw, self._table, allow_modified=self.allow_modified)
        num_untitled = sum(code not in titles for code in codes)
        log.expect(
            f"codes without a title, {self._table}", PUBLISHED_WITHOUT_TITLE[self._table], num_untitled, "V", why
        )
        categories = {category(code) for code in codes} if self.mode == "paper" else set()
        words_of = damaged_title_words if self.mode == "paper" else title_words
        labels_of: dict[str, frozenset[str]] = {}
        for code in codes:
            short = category(code)
            others = {code[: len(short) + 1], *words_of(titles.get(code, ""))} - {short}
            named = (other if other in categories else LEARNED_ONLY + other for other in others)
            labels_of[code] = frozenset({short, *named})
        return labels_of


class _WithCodes(Judge):
    """Labels by HADM_ID, in sorted order; an admission without any code is dropped."""

    steps = ("with-codes",)

    def __init__(self, codes_of: dict[int, set[str]], labels_of: dict[str, frozenset[str]]) -> None:
        self._codes_of, self._labels_of = codes_of, labels_of

    def judge(self, hadm: int, text: str) -> Case | str:
        codes = self._codes_of.get(hadm)
        if not codes:
            return "with-codes"
        labels = set[str]().union(*(self._labels_of[code] for code in codes))
        return Case(text, tuple(sorted(labels, key=_scored_first)))


def _as_counted(log: BuildLog, num_before: int) -> str | None:
    """The first count after so many others that is not the published one, in words; None where all are."""
    others = (
        f"{what}: {got:,} of {published:,}"
        for what, published, got, *_ in log.expected[num_before:]
        if got != published
    )
    return next(others, None)


def _scored_first(label: str) -> tuple[bool, str]:
    return label.startswith(LEARNED_ONLY), label
