"""mimic3-mortality: will the patient die in hospital, judged by what was written on admission?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from clinpeft.errors import BadInput
from clinpeft.sources._damage import decoded
from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks._mimic3_notes import (
    Admission,
    AdmissionNote,
    admission_notes,
    join_by_admission,
    read_admissions,
    read_summaries,
    without_copies,
)
from clinpeft.tasks.base import BuildLog, Example, Task

SplitName = Literal["train", "validation", "test"]
CORE_FILES: dict[SplitName, str] = {
    "train": "mimic_train.csv",
    "validation": "mimic_val.csv",
    "test": "mimic_test.csv",
}
PUBLISHED_SPLITS: dict[SplitName, int] = {"train": 33_954, "validation": 4_908, "test": 9_822}

_DIED = r"\s+(?:had\s|has\s)?(?:expired|died|passed away|deceased)"
_IN_TWO_SECTIONS = re.compile(
    rf"((?:PHYSICAL EXAM|MEDICATION ON ADMISSION):[^\n]*?)(?:patient|pt)?{_DIED}", re.IGNORECASE
)
_ANYWHERE = re.compile(rf"(?:patient|pt){_DIED}|he expired|pronounced expired|time of death", re.IGNORECASE)
LEAKS = ("cmo", "comfort measures", "dni", "dnr", "hospice", "morgue", "expired", "deceased", "passed away")
"""Wordings that hint at the outcome and that no filter removes; the card counts them per class."""
_LEAKS = {phrase: re.compile(rf"\b{phrase}\b", re.IGNORECASE) for phrase in LEAKS}


class Mimic3Mortality(Task):
    """One admission, one bit: HOSPITAL_EXPIRE_FLAG (van Aken et al. 2021, task MP)."""

    kind: ClassVar[Kind] = "classification"
    source: ClassVar[str] = "mimic3"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = ("survived", "died")
    positive: ClassVar[str | None] = "died"
    title: ClassVar[str] = "Death in hospital, foretold from the notes written on admission"
    citation: ClassVar[str] = (
        "Betty van Aken, Jens-Michalis Papaioannou, Manuel Mayrdorfer, Klemens Budde, Felix Gers, Alexander Löser. "
        "Clinical Outcome Prediction from Admission Notes using Self-Supervised Knowledge Integration. EACL 2021, "
        "881-893. Data: Alistair Johnson, Tom Pollard, Lu Shen et al. MIMIC-III, a freely accessible critical care "
        "database. Scientific Data 3, 160035 (2016)."
    )
    download: ClassVar[str] = "https://physionet.org/content/mimiciii/1.4/ (credentialed access)"
    licence: ClassVar[str] = "PhysioNet Credentialed Health Data License 1.5.0"
    terms: ClassVar[tuple[str, ...]] = (
        "PhysioNet Credentialed Health Data Use Agreement 1.5.0: research only, no re-identification, no sharing with "
        "anyone who has no agreement of their own; sending text to an online service is sharing. Also holds for what "
        "is derived from the data.",
    )
    is_not: ClassVar[str] = (
        "Not a bedside score: admission notes are cut out of summaries written at discharge, from one hospital's "
        "intensive-care patients of 2001-2012, so hindsight remains in them. Death after discharge counts as survival. "
        "With `text=full` the note states the outcome."
    )

    text: Literal["admission", "full"] = "admission"
    """`full` is the whole discharge summary, which tells the outcome."""
    split: Literal["hash", "core"] = "hash"
    """`core` takes the published lists of patients; only then are scores comparable with published ones."""
    core_split_dir: str | None = Field(default=None, exclude=True)
    """A clone of bvanaken/clinical-outcome-prediction; implies `split=core`. The card lists its files' checksums."""
    allow_modified: bool = False
    """Accept tables that differ from the release's SHA256SUMS.txt."""

    @model_validator(mode="before")
    @classmethod
    def _core_by_its_folder(cls, value: Any) -> Any:
        has_folder = isinstance(value, dict) and value.get("core_split_dir") is not None
        return {"split": "core", **value} if has_folder else value

    @model_validator(mode="after")
    def _folder_fits_split(self) -> Self:
        if (self.split == "core") != (self.core_split_dir is not None):
            raise ValueError("split=core and core_split_dir belong together")
        return self

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """Admissions by ascending HADM_ID: subject SUBJECT_ID, document the ROW_ID of the last report."""
        split_of = read_core_split(Path(self.core_split_dir), raw) if self.core_split_dir is not None else None
        admissions = read_admissions(raw, allow_modified=self.allow_modified)
        summaries = read_summaries(raw, admissions, log, allow_modified=self.allow_modified)
        originals = without_copies(summaries)
        log.filtered("no-exact-copies", len(originals), len(summaries) - len(originals))
        notes = join_by_admission(originals, log)
        if self.text == "full":
            log.anomaly("NOTEEVENTS", None, "full-text-states-the-outcome")
        else:
            notes = admission_notes(notes, log)
        tally = _Tally()
        yield from _labelled(notes, admissions, split_of, tally)
        tally.report(log, has_core_split=split_of is not None, is_comparable=self.text == "admission")


def without_death_phrases(text: str) -> str | None:
    """The note without the first «patient expired» of PHYSICAL EXAM and of MEDICATION ON ADMISSION.

    None when the note still tells of the patient's death: the example is dropped. «Mother died» may stay.
    The filter is upstream's of September 2021; scores published before it used 61 examples more.

    >>> without_death_phrases("PHYSICAL EXAM: pale. Patient expired at noon")
    'PHYSICAL EXAM: pale.  at noon'
    """
    text = _IN_TWO_SECTIONS.sub(r"\1", text)
    return None if _ANYWHERE.search(text) else text


def read_core_split(folder: Path, raw: RawFiles) -> dict[int, SplitName]:
    """SUBJECT_ID to split from the three lists of the CORe repository (one column, repeats allowed).

    Raises BadInput when a list is missing, broken, or shares a patient with another.
    """
    split_of: dict[int, SplitName] = {}
    for split, name in CORE_FILES.items():
        found = sorted(folder.rglob(name)) if folder.is_dir() else []
        if len(found) != 1:
            rule = f"holds {len(found)} files {name} where one is needed"
            raise BadInput(str(folder), rule, "give a clone of bvanaken/clinical-outcome-prediction")
        raw.used[f"core_split_dir/{name}"] = found[0]
        for subject in _listed_subjects(found[0]):
            if split_of.setdefault(subject, split) != split:
                raise BadInput(name, "lists a patient of another split too", "fetch the repository again")
    return split_of


def _listed_subjects(path: Path) -> Iterator[int]:
    for line, cell in enumerate(decoded(path.read_bytes(), path.name).removeprefix("\ufeff").splitlines(), start=1):
        if line == 1 and cell.strip('"').upper() != "SUBJECT_ID":
            raise BadInput(f"{path.name}, line 1", "is not the header SUBJECT_ID", "fetch the repository again")
        if line > 1:
            if not re.fullmatch(r"[0-9]{1,18}", cell.strip('"')):
                raise BadInput(f"{path.name}, line {line}", "is no SUBJECT_ID", "fetch the repository again")
            yield int(cell.strip('"'))


@dataclass
class _Tally:
    """What the card says of the last steps."""

    num: Counter[str] = field(default_factory=Counter)
    leaks: Counter[tuple[str, str]] = field(default_factory=Counter)
    subjects: set[int] = field(default_factory=set)

    def report(self, log: BuildLog, *, has_core_split: bool, is_comparable: bool) -> None:
        num = self.num
        log.filtered("with-outcome", num["with-outcome"], num["notes"] - num["with-outcome"])
        log.filtered("death-not-told", num["death-not-told"], num["with-outcome"] - num["death-not-told"])
        if has_core_split:
            log.filtered("listed-by-core", num["listed"], num["death-not-told"] - num["listed"])
        for label in ("survived", "died"):
            for phrase in LEAKS:
                count = self.leaks[label, phrase]
                log.filtered(f"counted-only: {label}, mentions '{phrase}'", count, num[label] - count)
        if is_comparable:
            log.expect("admissions with a main section", 48_745, num["notes"], "V")
            log.expect("patients with a main section", 37_321, len(self.subjects), "V")
            log.expect("survived, before the death filter", 43_609, num["before survived"], "A")
            log.expect("died, before the death filter", 5_136, num["before died"], "A")
            log.expect("examples", 48_684, num["listed"], "V")
            for split, published in PUBLISHED_SPLITS.items() if has_core_split else ():
                log.expect(f"examples in {split}", published, num[f"in {split}"], "V")


def _labelled(
    notes: Iterable[AdmissionNote],
    admissions: dict[int, Admission],
    split_of: dict[int, SplitName] | None,
    tally: _Tally,
) -> Iterator[Example]:
    """Outcome and death filter; with `split_of`, patients in no list vanish."""
    num = tally.num
    for note in notes:
        num["notes"] += 1
        tally.subjects.add(note.subject)
        admission = admissions[note.hadm]
        if admission.died is None:
            continue
        label = "died" if admission.died else "survived"
        num.update(("with-outcome", f"before {label}"))
        text = without_death_phrases(note.text)
        if text is None:
            continue
        num["death-not-told"] += 1
        if split_of is not None and note.subject not in split_of:
            continue
        split = split_of[note.subject] if split_of is not None else None
        num.update(("listed", label, f"in {split}"))
        tally.leaks.update((label, phrase) for phrase, pattern in _LEAKS.items() if pattern.search(text))
        yield Example(
            example=str(note.hadm),
            subject=str(note.subject),
            document=str(note.row_id),
            text=text,
            label=label,
            split=split,
            groups={"admission_type": admission.admission_type},
        )
