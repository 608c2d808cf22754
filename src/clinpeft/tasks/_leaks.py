"""What admission sections tell of the outcome though they should not, and a filter stricter than the published one.

They are cut out of summaries written at discharge: some hold the exam of the last day or the course of the stay, and
wordings such as «comfort measures» stand in any of them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from clinpeft.tasks._admission_notes import SUMMARY_SECTIONS
from clinpeft.tasks._judging import Case
from clinpeft.tasks._physionet import PhysioNetTask
from clinpeft.tasks.base import BuildLog, OutcomeTask

HINTS = ("cmo", "comfort measures", "dni", "dnr", "hospice", "morgue", "expired", "deceased", "passed away")
"""Wordings that hint at death in hospital and that the published filter leaves."""
KEPT_WHOLE = "FAMILY HISTORY"
"""The deaths that it tells of are others'."""
_HINT = re.compile(rf"\b(?:{'|'.join((*HINTS, 'time of death'))})\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+")
_LATER = {
    "PHYSICAL EXAM": re.compile(r"discharge (?:physical )?exam|(?:on|at) discharge|\bdischarge\s*:", re.IGNORECASE),
    "PRESENT ILLNESS": re.compile(r"(?:brief )?hospital course", re.IGNORECASE),
}
"""By section, the wording that begins what was written later."""


class AdmissionTask(PhysioNetTask, OutcomeTask):
    """An outcome of an admission to MIMIC's hospital, foretold from eight sections of its discharge summary."""

    sections: ClassVar[tuple[str, ...]] = SUMMARY_SECTIONS

    leak_filter: Literal["published", "strict"] = "published"
    """`strict` also ends a physical exam where that of the discharge begins and a present illness at the hospital
    course, and takes out every sentence that hints at death (`dnr`, `hospice`, …), but for the family history."""

    @model_validator(mode="after")
    def _filters_sections_only(self) -> Self:
        if self.leak_filter == "strict" and self.text == "full":
            raise ValueError("leak_filter=strict works on admission sections, so not with text=full")
        return self


class LeakFilter:
    """Cases one after the other without what tells of their outcome, and in how many there was such a thing."""

    def __init__(self, task: AdmissionTask) -> None:
        self._is_strict = task.leak_filter == "strict"
        self._num: Counter[bool] = Counter()

    def cleaned(self, case: Case) -> Case:
        """The case as it is, or with a text that leaks less."""
        if not self._is_strict:
            return case
        text = without_leaks(case.text)
        self._num[text != case.text] += 1
        return replace(case, text=text)

    def report(self, log: BuildLog) -> None:
        """Note how many texts were cut."""
        if self._is_strict:
            log.filtered("counted-only: cut by the strict leak filter", self._num[True], self._num[False])


def without_leaks(note: str) -> str:
    """An admission note without what was written later, and without sentences that hint at death.

    >>> without_leaks("PHYSICAL EXAM: pale. Family chose hospice. Weak\\\n\\\nFAMILY HISTORY: father deceased")
    'PHYSICAL EXAM: pale. Weak\\\n\\\nFAMILY HISTORY: father deceased'
    """
    return "\n\n".join(map(_section_without_leaks, note.split("\n\n")))


def _section_without_leaks(section: str) -> str:
    header, colon, body = section.partition(":")
    later = _LATER[header].search(body) if header in _LATER else None
    kept = body if later is None else body[: later.start()].rstrip()
    if header != KEPT_WHOLE and _HINT.search(kept):
        kept = " ".join(part for part in _SENTENCE_END.split(kept) if not _HINT.search(part))
    return section if kept == body else f"{header}{colon} {kept.strip()}"
