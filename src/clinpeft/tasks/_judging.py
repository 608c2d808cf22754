"""From the note of an admission to an example: what the outcome tasks of MIMIC-III and MIMIC-IV share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example

SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of an admission at its start, and what that is to foretell."""

    text: str = field(repr=False)
    labels: tuple[str, ...]
    split: SplitName | None = None
    """Where the labels bring a split of their own."""

    def example(
        self, kind: Kind, *, hadm: int, subject: int, document: str, admission_type: str | None, split: SplitName | None
    ) -> Example:
        """The case as an example of a task of that kind; `split` is the one that it ends up in."""
        is_multilabel = kind == "multilabel"
        return Example(
            example=str(hadm),
            subject=str(subject),
            document=document,
            text=self.text,
            label=None if is_multilabel else self.labels[0],
            labels=self.labels if is_multilabel else (),
            split=split,
            groups={"admission_type": admission_type},
        )


class Judge:
    """Gives the notes of a cohort their labels; one object a build."""

    steps: tuple[str, ...] = ()
    """The filter steps of `judge`, in order."""

    def judge(self, hadm: int, text: str) -> Case | str:
        """What an admission's note foretells, or the step that drops the admission."""
        raise NotImplementedError

    def kept(self, case: Case) -> None:
        """Told of every case that becomes an example."""

    def report(self, log: BuildLog) -> None:
        """Called once when all notes are judged, to note what this task alone counts."""

    def reason(self) -> str | None:
        """Why the numbers of examples may differ from published ones though the tables are complete."""
        return None

    def expect(self, log: BuildLog, why: str | None) -> None:
        """Lay this task's published counts beside ours; `why` explains a difference. Called for admission text only."""


def report_steps(log: BuildLog, steps: tuple[str, ...], num_notes: int, dropped: Counter[str]) -> None:
    """Note what each step kept of `num_notes`, and dropped."""
    for step in steps:
        num_notes -= dropped[step]
        log.filtered(step, num_notes, dropped[step])
