"""The rule of prediction time: what foretells an outcome does not read what was written after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import SOURCES, RawFiles
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


WRITTEN_LATER = ("hospital course", "discharge medications", "discharge condition", "discharge instructions")


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("mimic3", "mimic4")}
    for name, folder in folders.items():
        SOURCES.get(name)().synthesize(folder, num_patients=25, seed=2)
    return folders


@pytest.mark.parametrize("name", OUTCOME_TASKS)
def test_what_was_written_after_the_outcome_never_reaches_a_text(name: str, invented: dict[str, Path]) -> None:
    task = TASKS.get(name)
    root = SOURCES.get(task.source)().find(invented[task.source])
    assert root is not None
    texts = {
        text: [
            one.text.lower()
            for one in task.model_validate({"text": text, "allow_hindsight": text == "full"}).examples(
                RawFiles(root), BuildLog()
            )
        ]
        for text in ("admission", "full")
    }

    assert len(texts["admission"]) > 10
    assert not [words for words in WRITTEN_LATER for text in texts["admission"] if words in text]
    for words in WRITTEN_LATER:
        assert sum(words in text for text in texts["full"]) > 10, "the summaries do hold it"
