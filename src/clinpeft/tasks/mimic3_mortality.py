"""mimic3-mortality: will the patient die in hospital, judged by what was written on admission?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks._mimic3_notes import Admission, AdmissionNote
from clinpeft.tasks._mimic3_outcome import (
    CORE_PAPER,
    FROM_SUMMARIES,
    MIMIC3_PAPER,
    Case,
    Judge,
    Mimic3Outcome,
    SplitName,
)
from clinpeft.tasks.base import BuildLog

_DIED = r"\s+(?:had\s|has\s)?(?:expired|died|passed away|deceased)"
_IN_TWO_SECTIONS = re.compile(
    rf"((?:PHYSICAL EXAM|MEDICATION ON ADMISSION):[^\n]*?)(?:patient|pt)?{_DIED}", re.IGNORECASE
)
_ANYWHERE = re.compile(rf"(?:patient|pt){_DIED}|he expired|pronounced expired|time of death", re.IGNORECASE)
_DEATH_WORDS = frozenset(("expired", "died", "passed away", "deceased", "time of death"))
"""Without one of them, neither pattern matches."""
LEAKS = ("cmo", "comfort measures", "dni", "dnr", "hospice", "morgue", "expired", "deceased", "passed away")
"""Wordings that hint at the outcome and that no filter removes; the card counts them per class."""
_PHRASES = _DEATH_WORDS.union(LEAKS)
_LEAKS = {phrase: re.compile(rf"\b{phrase}\b", re.IGNORECASE) for phrase in LEAKS}


class Mimic3Mortality(Mimic3Outcome):
    """One admission, one bit: HOSPITAL_EXPIRE_FLAG (van Aken et al. 2021, task MP)."""

    kind: ClassVar[Kind] = "classification"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = ("survived", "died")
    positive: ClassVar[str | None] = "died"
    title: ClassVar[str] = "Death in hospital, foretold from the notes written on admission"
    citation: ClassVar[str] = f"{CORE_PAPER} {MIMIC3_PAPER}"
    is_not: ClassVar[str] = (
        f"Not a bedside score: {FROM_SUMMARIES} Death after discharge counts as survival. With `text=full` the note "
        "states the outcome."
    )
    published: ClassVar[dict[SplitName, int]] = {"train": 33_954, "validation": 4_908, "test": 9_822}

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """Outcome and death filter."""
        return _Outcome(admissions)


def without_death_phrases(text: str) -> str | None:
    """The note without the first «patient expired» of PHYSICAL EXAM and of MEDICATION ON ADMISSION.

    None when the note still tells of the patient's death: the example is dropped. «Mother died» may stay.
    The filter is upstream's of September 2021; scores published before it used 61 examples more.

    >>> without_death_phrases("PHYSICAL EXAM: pale. Patient expired at noon")
    'PHYSICAL EXAM: pale.  at noon'
    """
    if not _may_tell_of_death(text):
        return text
    text = _IN_TWO_SECTIONS.sub(r"\1", text)
    return None if _ANYWHERE.search(text) else text


class _Outcome(Judge):
    steps = ("with-outcome", "death-not-told")

    def __init__(self, admissions: dict[int, Admission]) -> None:
        self._admissions = admissions
        self._before: Counter[str] = Counter()
        self._num: Counter[str] = Counter()
        self._leaks: Counter[tuple[str, str]] = Counter()

    def judge(self, note: AdmissionNote) -> Case | str:
        died = self._admissions[note.hadm].died
        if died is None:
            return "with-outcome"
        label = "died" if died else "survived"
        self._before[label] += 1
        text = without_death_phrases(note.text)
        if text is None:
            return "death-not-told"
        return Case(note if text is note.text else replace(note, text=text), (label,))

    def kept(self, case: Case) -> None:
        (label,) = case.labels
        self._num[label] += 1
        text = case.note.text
        found = _phrases_in(text).intersection(LEAKS)
        self._leaks.update((label, phrase) for phrase in found if _LEAKS[phrase].search(text))

    def report(self, log: BuildLog) -> None:
        for label in ("survived", "died"):
            for phrase in LEAKS:
                count = self._leaks[label, phrase]
                log.filtered(f"counted-only: {label}, mentions '{phrase}'", count, self._num[label] - count)

    def expect(self, log: BuildLog, why: str | None) -> None:
        log.expect("survived, before the death filter", 43_609, self._before["survived"], "A", why)
        log.expect("died, before the death filter", 5_136, self._before["died"], "A", why)


def _may_tell_of_death(text: str) -> bool:
    """False only where neither pattern matches; asking both of every note would take half of the build."""
    if not (found := _phrases_in(text) & _DEATH_WORDS) or not text.isascii():
        return bool(found)
    lower = text.lower()
    if "he expired" in lower or "pronounced expired" in lower or "time of death" in found:
        return True
    return any(_may_be_of_patient(before) for word in found for before in _lines_up_to(word, lower))


def _lines_up_to(word: str, text: str) -> Iterator[str]:
    end = text.find(word)
    while end >= 0:
        yield text[text.rfind("\n", 0, end) + 1 : end]
        end = text.find(word, end + 1)


def _may_be_of_patient(line: str) -> bool:
    """Whether a pattern may match at the word that follows this beginning of a line, in lower case."""
    start = line.rstrip()
    is_open = not start or start.endswith(("patient", "pt", "had", "has"))
    return is_open or "physical exam:" in start or "medication on admission:" in start


@lru_cache(maxsize=1)
def _phrases_in(text: str) -> frozenset[str]:
    """Those of all phrases that the text may hold in some case. Outside ASCII that is all of them, because other
    letters may equal those. Remembered, because the filter and the count ask for one note in turn."""
    if not text.isascii():
        return _PHRASES
    lower = text.lower()
    return frozenset([phrase for phrase in _PHRASES if phrase in lower])
