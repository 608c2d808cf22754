"""What the invented hospitals of MIMIC-III and MIMIC-IV share: who is admitted, who dies, how well that can be told.

Both draw outcomes from the traits of `_mimic3_stays`, admit some survivors again, and pack their tables alike.
"""

from __future__ import annotations

import gzip
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from clinpeft.errors import BadInput
from clinpeft.files import replacing
from clinpeft.sources._mimic3_stays import Traits

Cell = int | float | str | date | datetime | None
QUIRKS_FROM = 20
"""Patients; smaller sets hold no planted quirks."""


class Admitted(Protocol):
    """What decides whether a patient comes again."""

    @property
    def died(self) -> bool: ...
    @property
    def discharged(self) -> datetime: ...


PatientT = TypeVar("PatientT")
StayT = TypeVar("StayT", bound=Admitted)


class InventedHospital(Generic[PatientT, StayT]):
    """Tables while they are being filled, and their one source of randomness."""

    def __init__(self, seed: int, tables: Iterable[str]) -> None:
        self.rng = random.Random(seed)
        self.rows: dict[str, list[list[Cell]]] = {table: [] for table in tables}

    def new_patient(self) -> PatientT:
        """A patient without admissions so far."""
        raise NotImplementedError

    def admit(self, patient: PatientT, *, after: datetime | None = None) -> StayT:
        """Draw an admission and its outcome, and enter it in all tables but the notes."""
        raise NotImplementedError

    def write_up(self, stay: StayT) -> None:
        """The usual notes of an admission; it becomes an example."""
        raise NotImplementedError

    def fill(self, num_patients: int, readmitted: float) -> None:
        """So many patients, each admitted and written up; a share of the survivors comes again, and again.

        Raises BadInput for no patients.
        """
        if num_patients < 1:
            raise BadInput("--patients", "must be at least 1")
        for _ in range(num_patients):
            patient = self.new_patient()
            stay = self.admit(patient)
            self.write_up(stay)
            while not stay.died and self.rng.random() < readmitted:
                stay = self.admit(patient, after=stay.discharged)
                self.write_up(stay)

    def draw(self, died: bool | None) -> tuple[Traits, bool]:
        """Traits and the outcome that they lead to; drawn again until it is `died`, so that both belong together."""
        while True:
            traits = Traits.draw(self.rng)
            has_died = self.rng.random() < traits.probability
            if died is None or has_died == died:
                return traits, has_died


def expected_auroc(probabilities: Iterable[float]) -> float:
    """AUROC of the true probabilities as scores, for labels drawn from them: no score can be expected to do better.

    The expected number of rightly ordered pairs over the expected number of pairs, ties counting half; NaN when there
    is no pair.
    """
    num = sorted(Counter(probabilities).items())
    right = below = 0.0
    for p, count in num:
        right += p * count * below + 0.5 * p * (1 - p) * count * (count - 1)
        below += (1 - p) * count
    pairs = sum(p * n for p, n in num) * sum((1 - p) * n for p, n in num) - sum(p * (1 - p) * n for p, n in num)
    return right / pairs if pairs else math.nan


@contextmanager
def packed_table(path: Path) -> Iterator[gzip.GzipFile]:
    """A new `.csv.gz` to write to, without a time stamp."""
    with (
        replacing(path) as temporary,
        temporary.open("wb") as plain,
        gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as file,
    ):
        yield file


def as_released(cell: Cell) -> Cell:
    """A time as both releases write it, anything else as it is."""
    return cell.strftime("%Y-%m-%d %H:%M:%S") if isinstance(cell, datetime) else cell
