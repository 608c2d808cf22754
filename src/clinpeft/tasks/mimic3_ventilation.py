"""mimic3-ventilation: will the patient need mechanical ventilation for over a week?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from clinpeft.errors import BadInput
from clinpeft.sources._delimited import read_delimited
from clinpeft.sources._label_pickle import LARGEST_PICKLE, load_plain_pickle
from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks._death_in_hospital import without_death_phrases
from clinpeft.tasks._judging import Case, Judge, SplitName
from clinpeft.tasks._mimic3_notes import Admission
from clinpeft.tasks._mimic3_outcome import FROM_SUMMARIES, MIMIC3_PAPER, Mimic3Cohort
from clinpeft.tasks.base import BuildLog

CLASSES = ("up to 7 days", "over 7 days")
LABEL_FILES = ("pmv_labels.pkl", "pmv_labels.csv")
SPLITS: dict[str, SplitName] = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
HELD_OUT_FIRST: tuple[SplitName, ...] = ("test", "validation", "train")


@dataclass(frozen=True, slots=True)
class Label:
    """What the label file says of an admission."""

    hadm: int
    is_long: bool
    split: SplitName | None


class Mimic3Ventilation(Mimic3Cohort):
    """One ventilated admission, one bit: more than 7 days of ventilation (Naik et al. 2022, task PMV)."""

    kind: ClassVar[Kind] = "classification"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = CLASSES
    positive: ClassVar[str | None] = "over 7 days"
    title: ClassVar[str] = "Mechanical ventilation for over 7 days, foretold from the notes written on admission"
    citation: ClassVar[str] = (
        "Aakanksha Naik, Sravanthi Parasa, Sergey Feldman, Lucy Lu Wang, Tom Hope. Literature-Augmented Clinical "
        "Outcome Prediction. Findings of NAACL 2022, 438-453. Labels: Kexin Huang, Abhishek Singh, Sitong Chen et al. "
        f"Clinical XLNet. ClinicalNLP 2020, 94-100. {MIMIC3_PAPER}"
    )
    is_not: ClassVar[str] = (
        f"Not who will need a ventilator: all patients here had one, for two days or more, and {FROM_SUMMARIES} Labels "
        "come from a file of the authors (BEEP), as they cannot be derived from the tables read here. Whether its "
        "split keeps patients apart is not published: a patient of two splits stays in test, else in validation."
    )
    has_paper_mode: ClassVar[bool] = True
    published: ClassVar[dict[SplitName, int]] = {"train": 5_666, "validation": 707, "test": 706}

    split: Literal["official", "hash"] = "official"
    """`official` takes the label file's own split; `hash` splits by patient as the other tasks of MIMIC-III do."""
    pmv_labels: str | None = Field(default=None, exclude=True)
    """BEEP's pmv_labels.pkl, or a CSV hadm_id,label[,split]; without it, one of that name beside the tables."""

    def keeps_together(self) -> str | None:
        """In paper mode the file's own split stands, whatever it does to patients."""
        return None if self.mode == "paper" and self.split == "official" else "subject"

    def judging(self, raw: RawFiles, admissions: dict[int, Admission], log: BuildLog) -> Judge:
        """The label file's label, after mimic3-mortality's death filter."""
        labels, name = read_labels(raw, self.pmv_labels)
        if self.split == "official" and any(label.split is None for label in labels):
            raise BadInput(name, "gives no split", "take --set split=hash, or add a column split")
        known = {label.hadm: label for label in labels if label.hadm in admissions}
        log.filtered("labelled admissions in ADMISSIONS", len(known), len(labels) - len(known))
        if self.split == "hash":
            return _Ventilated(admissions, {hadm: replace(label, split=None) for hadm, label in known.items()}, set())
        parted = _of_two_splits(known.values(), admissions)
        if parted:
            log.anomaly(name, None, "patients-in-two-splits")
        return _Ventilated(admissions, known, set() if self.mode == "paper" else parted)


def read_labels(raw: RawFiles, given: str | None) -> tuple[list[Label], str]:
    """The labels in file order, and what errors call the file: the one given, else the one beside the tables.

    Raises BadInput when there is none, or it is no such pickle or CSV.
    """
    path = _label_file(raw) if given is None else Path(given)
    if not path.is_file():
        raise BadInput(str(path), "is not there", "give the label file with --set pmv_labels=FILE")
    name = path.name if given is None else f"pmv_labels/{path.name}"
    raw.note(path, name)
    if path.suffix.lower() in {".pkl", ".pickle"}:
        if path.stat().st_size > LARGEST_PICKLE:
            raise BadInput(name, f"has more than {LARGEST_PICKLE:,} bytes", "is it the right file?")
        labels = list(_from_pickle(load_plain_pickle(path.read_bytes(), name), name))
    else:
        labels = list(_from_csv(path))
    if repeated := [hadm for hadm, num in Counter(label.hadm for label in labels).items() if num > 1]:
        raise BadInput(name, f"gives {len(repeated)} admissions two labels", "keep one of them")
    if not labels:
        raise BadInput(name, "holds no labels", "is it the right file?")
    return labels, name


def _label_file(raw: RawFiles) -> Path:
    found = [path for path in sorted(raw.root.iterdir()) if path.name.lower() in LABEL_FILES]
    if len(found) != 1:
        rule = f"holds {len(found)} label files ({' or '.join(LABEL_FILES)}) where one is needed"
        remedy = "the authors' file lies in data/ of allenai/BEEP: give it with --set pmv_labels=FILE"
        raise BadInput(str(raw.root), rule, remedy)
    return found[0]


def _from_pickle(value: object, name: str) -> Iterator[Label]:
    """A dict from HADM_ID to a sequence whose first item is the label and whose last one is the split."""
    if not isinstance(value, dict):
        raise BadInput(name, "is no dict from admission to label", "is it the right file?")
    for number, (hadm, items) in enumerate(value.items(), start=1):
        where = f"{name}, entry {number:,}"
        if not isinstance(items, list | tuple) or not items:
            raise BadInput(where, "is no sequence of a label and a split")
        yield _label(hadm, items[0], items[-1] if len(items) > 1 else None, where)


def _from_csv(path: Path) -> Iterator[Label]:
    columns, numbers, rows = read_delimited(RawFiles(path.parent), path, ",")
    names = {column: column.strip().lower() for column in columns}
    if sorted(names.values()) not in (["hadm_id", "label"], ["hadm_id", "label", "split"]):
        raise BadInput(f"{path.name}: row 1", "must name the columns hadm_id, label and, if there is one, split")
    for number, row in zip(numbers, rows, strict=True):
        cells = {names[column]: cell for column, cell in row.items()}
        yield _label(cells["hadm_id"], cells["label"], cells.get("split"), f"{path.name}: row {number}")


def _label(hadm: object, label: object, split: object, where: str) -> Label:
    number, bit = _whole(hadm), _whole(label)
    if number is None:
        raise BadInput(where, "its admission is no HADM_ID")
    if bit not in {0, 1}:
        raise BadInput(where, "its label is neither 0 nor 1")
    if split is not None and (not isinstance(split, str) or split.strip().lower() not in SPLITS):
        raise BadInput(where, "its split is none of train, val and test")
    return Label(number, bit == 1, None if split is None else SPLITS[str(split).strip().lower()])


def _whole(value: object) -> int | None:
    """Ids and labels may have become text or decimals on their way: `"172335"` and `1.0`."""
    if isinstance(value, str):
        digits = value.strip().removesuffix(".0")
        return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None
    if isinstance(value, int | float) and value == value // 1 and 0 <= value < 10**18:
        return int(value)
    return None


def _of_two_splits(labels: Iterable[Label], admissions: dict[int, Admission]) -> set[int]:
    """HADM_IDs to leave out so that each patient stays in one split: in test, else in validation."""
    of_subject: defaultdict[int, list[Label]] = defaultdict(list)
    for label in labels:
        of_subject[admissions[label.hadm].subject].append(label)
    left_out: set[int] = set()
    for own in of_subject.values():
        kept = next(split for split in HELD_OUT_FIRST if any(label.split == split for label in own))
        left_out.update(label.hadm for label in own if label.split != kept)
    return left_out


class _Ventilated(Judge):
    steps = ("with-outcome", "death-not-told", "with-label", "patient-in-one-split")

    def __init__(self, admissions: dict[int, Admission], labels: dict[int, Label], left_out: set[int]) -> None:
        self._admissions, self._labels, self._left_out = admissions, labels, left_out
        self._num_left_out = 0

    def judge(self, hadm: int, text: str) -> Case | str:
        if self._admissions[hadm].died is None:
            return "with-outcome"
        quiet = without_death_phrases(text)
        if quiet is None:
            return "death-not-told"
        label = self._labels.get(hadm)
        if label is None:
            return "with-label"
        if hadm in self._left_out:
            self._num_left_out += 1
            return "patient-in-one-split"
        return Case(quiet, (CLASSES[label.is_long],), label.split)

    def reason(self) -> str | None:
        if not self._num_left_out:
            return None
        return f"{self._num_left_out} admissions are left out whose patients stand in another split too"
