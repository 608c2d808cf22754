"""studies/open.yaml is a study, of registered tasks."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from clinpeft.spec import Study
from clinpeft.tasks.base import TASKS


def test_the_open_study_reads_and_names_registered_tasks_of_every_kind() -> None:
    study = Study.read(Path(str(files("clinpeft") / "studies" / "open.yaml")))
    assert study.name == "open"
    assert {task.name for task in study.tasks} <= set(TASKS.names())
    assert {TASKS.get(task.name).kind for task in study.tasks} == {
        "classification",
        "multilabel",
        "entities",
        "relations",
        "pairs",
    }
