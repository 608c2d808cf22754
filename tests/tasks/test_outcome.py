"""The rule of prediction time: what foretells an outcome does not read what was written after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks.base import TASKS, BuildLog, Example, OutcomeTask, configure


class Readmission(OutcomeTask):
    """Will the patient come back?"""

    kind: ClassVar[Kind] = "classification"
    has_paper_mode: ClassVar[bool] = True

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """None."""
        yield from ()


def test_an_outcome_task_reads_admission_notes_unless_told() -> None:
    assert Readmission().text == "admission"


@pytest.mark.parametrize("compat", [None, "paper"])
def test_whole_discharge_summaries_are_refused_with_how_to_have_them_all_the_same(compat: str | None) -> None:
    with pytest.raises(BadInput, match=r"^task 'readmission': text=full is written after the .* allow_hindsight=true"):
        configure(Readmission, "readmission", {"text": "full"}, compat)


def test_they_are_built_for_comparison_by_who_says_so() -> None:
    task = configure(Readmission, "readmission", {"text": "full", "allow_hindsight": "true"}, None)

    assert task.model_dump()["allow_hindsight"] is True


OUTCOME_TASKS = [name for name, task in TASKS if issubclass(task, OutcomeTask)]


@pytest.mark.parametrize("name", OUTCOME_TASKS)
def test_every_outcome_task_refuses_whole_discharge_summaries(name: str) -> None:
    with pytest.raises(BadInput, match="text=full is written after the outcome"):
        configure(TASKS.get(name), name, {"text": "full"}, None)


def test_the_outcomes_of_mimic_are_such_tasks() -> None:
    assert {"mimic3-mortality", "mimic3-length-of-stay", "mimic4-mortality"} <= set(OUTCOME_TASKS)
