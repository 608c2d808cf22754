"""What every task promises."""

from __future__ import annotations

from typing import get_args

from clinpeft.data.checks import problem_of
from clinpeft.metrics.base import METRICS
from clinpeft.sources.base import SOURCES, RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Task
from clinpeft.testing._rules import CheckResult, Rule, empty_attributes, results
from clinpeft.testing.sources import invented


def check_task(entry: type[Task]) -> list[CheckResult]:
    """The promises of a task; examples are made where its source can invent raw files."""
    return results(entry, TASK_RULES)


def _fills_its_card(entry: type[Task]) -> str | None:
    names = ("title", "citation", "download", "licence", "is_not", "source", "metric", "split_by")
    return empty_attributes(entry, names) or ("its title has two lines" if "\n" in entry.title else None)


def _has_a_kind_and_a_version(entry: type[Task]) -> str | None:
    if entry.kind not in get_args(Kind):
        return f"kind is none of {', '.join(get_args(Kind))}"
    return None if entry.version >= 1 else "its version is below 1"


def _names_a_source_that_exists(entry: type[Task]) -> str | None:
    return None if entry.source in SOURCES else f"no source is named '{entry.source}'"


def _names_a_metric_of_its_kind(entry: type[Task]) -> str | None:
    kinds = METRICS.get(entry.metric).kinds
    return None if entry.kind in kinds else f"'{entry.metric}' is defined for {', '.join(kinds)} only"


def _is_built_without_options(entry: type[Task]) -> str | None:
    return None if entry().mode == "correct" else "its default mode is not 'correct'"


def _documents_every_option(entry: type[Task]) -> str | None:
    bare = [name for name, field in entry.model_fields.items() if not field.description]
    return f"no text under option {', '.join(bare)}" if bare else None


def _lists_each_label_once(entry: type[Task]) -> str | None:
    if entry.labels is None:
        return None
    if not all(entry.labels) or len(set(entry.labels)) < len(entry.labels):
        return "a label is empty or stands twice"
    return "'O' is no entity type" if entry.kind == "entities" and "O" in entry.labels else None


def _has_its_positive_class_among_its_labels(entry: type[Task]) -> str | None:
    is_known = entry.positive is None or entry.labels is None or entry.positive in entry.labels
    return None if is_known else f"'{entry.positive}' is none of its labels"


def _makes_the_same_sound_examples_twice(entry: type[Task]) -> str | None:
    with invented(SOURCES.get(entry.source)) as folder:
        root = SOURCES.get(entry.source)().find(folder) if folder is not None else None
        if root is None:
            return None
        first, second = ([*entry().examples(RawFiles(root), BuildLog())] for _ in range(2))
    problems = (problem_of(example, entry.kind, entry.labels) for example in first)
    if problem := next((problem for problem in problems if problem), None):
        return f"of an example: {problem}"
    if not first or len({example.example for example in first}) < len(first):
        return "no examples, or an id stands twice"
    return None if first == second else "two readings of the same files differ"


TASK_RULES: tuple[Rule[Task], ...] = (
    _fills_its_card,
    _has_a_kind_and_a_version,
    _names_a_source_that_exists,
    _names_a_metric_of_its_kind,
    _is_built_without_options,
    _documents_every_option,
    _lists_each_label_once,
    _has_its_positive_class_among_its_labels,
    _makes_the_same_sound_examples_twice,
)
