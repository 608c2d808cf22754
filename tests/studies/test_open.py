"""The packaged folder `open` holds studies of registered tasks, of every kind."""

from __future__ import annotations

from clinpeft.spec import Study
from clinpeft.studies import find_studies
from clinpeft.tasks.base import TASKS


def test_the_open_studies_read_and_name_registered_tasks_of_every_kind() -> None:
    studies = [Study.read(path) for path in find_studies("open")]
    tasks = {task.name for study in studies for task in study.tasks}
    assert len(studies) == 6
    assert tasks <= set(TASKS.names())
    assert {TASKS.get(task).kind for task in tasks} == {
        "classification",
        "multilabel",
        "entities",
        "relations",
        "pairs",
    }


def test_no_open_study_trains_on_more_than_a_thousand_examples() -> None:
    subsets = [Study.read(path).train.subset for path in find_studies("open")]
    assert all(subset is not None and subset.total <= 1000 for subset in subsets)
