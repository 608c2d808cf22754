"""Death in hospital as an outcome: notes that tell of it are taken out, wordings that hint at it are counted.

The filter is that of van Aken et al. 2021 (CORe), task MP, since September 2021; scores published before it used 61
examples more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache

from clinpeft.tasks._judging import Case, Judge
from clinpeft.tasks._leaks import HINTS
from clinpeft.tasks.base import BuildLog

SURVIVED, DIED = LABELS = ("survived", "died")
_DIED = r"\s+(?:had\s|has\s)?(?:expired|died|passed away|deceased)"
IN_TWO_SECTIONS = re.compile(
    rf"((?:PHYSICAL EXAM|MEDICATION ON ADMISSION):[^\n]*?)(?:patient|pt)?{_DIED}", re.IGNORECASE
)
"""What is cut out: all behind the first group."""
ANYWHERE = re.compile(rf"(?:patient|pt){_DIED}|he expired|pronounced expired|time of death", re.IGNORECASE)
"""What must not be left."""
_DEATH_WORDS = frozenset(("expired", "died", "passed away", "deceased", "time of death"))
"""Without one of them, neither pattern matches."""
_HINTS = {phrase: re.compile(rf"\b{phrase}\b", re.IGNORECASE) for phrase in HINTS}
_PHRASES = _DEATH_WORDS.union(HINTS)


def without_death_phrases(text: str) -> str | None:
    """The note without the first «patient expired» of PHYSICAL EXAM and of MEDICATION ON ADMISSION.

    None when the note still tells of the patient's death: the example is dropped. «Mother died» may stay.

    >>> without_death_phrases("PHYSICAL EXAM: pale. Patient expired at noon")
    'PHYSICAL EXAM: pale.  at noon'
    """
    if not _may_tell_of_death(text):
        return text
    text = IN_TWO_SECTIONS.sub(r"\1", text)
    return None if ANYWHERE.search(text) else text


class DeathJudge(Judge):
    """Survived or died, by HADM_ID; None where it is not known."""

    steps: tuple[str, ...] = ("with-outcome", "death-not-told")

    def __init__(self, died: Mapping[int, bool | None]) -> None:
        self._died = died
        self.num_before: Counter[str] = Counter()
        """Admissions with an outcome, before those whose notes tell of it are dropped."""
        self._num: Counter[str] = Counter()
        self._num_hints: Counter[tuple[str, str]] = Counter()

    def judge(self, hadm: int, text: str) -> Case | str:
        died = self._died[hadm]
        if died is None:
            return "with-outcome"
        label = DIED if died else SURVIVED
        self.num_before[label] += 1
        quiet = without_death_phrases(text)
        return "death-not-told" if quiet is None else Case(quiet, (label,))

    def kept(self, case: Case) -> None:
        (label,) = case.labels
        self._num[label] += 1
        found = _phrases_in(case.text).intersection(HINTS)
        self._num_hints.update((label, phrase) for phrase in found if _HINTS[phrase].search(case.text))

    def report(self, log: BuildLog) -> None:
        for label in LABELS:
            for phrase in HINTS:
                num = self._num_hints[label, phrase]
                log.filtered(f"counted-only: {label}, mentions '{phrase}'", num, self._num[label] - num)


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
