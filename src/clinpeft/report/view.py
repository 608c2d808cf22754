"""What the page shows, ready for the template: names resolved, runs matched, plots and marks made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinpeft.report.caveats import cards_of, grave_caveats
from clinpeft.report.configurations import configurations, selected
from clinpeft.report.contrasts import Contrast
from clinpeft.report.evaluation import Evaluation
from clinpeft.report.load import LoadedRun, LoadedStudy
from clinpeft.report.marks import BASELINE_SHAPE
from clinpeft.report.results import Results
from clinpeft.report.task_section import TaskView, metric_title, section
from clinpeft.spec import Select
from clinpeft.strict_yaml import read_yaml

if TYPE_CHECKING:
    from clinpeft.report.view_base import View


@dataclass(frozen=True)
class RunView:
    """A line of the table of runs."""

    run: LoadedRun
    name: str
    metric: str


@dataclass(frozen=True)
class Page:
    """Everything the template is given."""

    results: Results
    question: str
    select: Select
    grave: list[str]
    warnings: list[str]
    tasks: list[TaskView]
    runs: list[RunView]
    failures: list[RunView]
    environments: list[dict[str, str]]
    versions: dict[str, str]
    glossary: dict[str, str]
    alert_rate: float | None
    prevalence: float | None
    views: tuple[View, ...] = ()
    """The study's own analyses, of those axes that it has."""

    @property
    def has_plots(self) -> bool:
        """Whether there is anything for Plotly to draw."""
        of_tasks = [part for task in self.tasks for part in (task.chart, task.closer.plots, task.closer.learning)]
        return any(of_tasks) or any(view.plots for view in self.views)

    def concerning(self, task: str) -> list[str]:
        """The warnings about one task and those about no one task, grave ones first."""
        others = [f"{each.name}:" for each in self.tasks if each.name != task]
        return [text for text in (*self.grave, *self.warnings) if not text.startswith(tuple(others))]


def page(
    loaded: Sequence[LoadedStudy],
    results: Results,
    only: Mapping[str, str],
    contrasts: Sequence[Contrast] = (),
    evaluation: Evaluation | None = None,
) -> Page:
    """The page of `results`, which `aggregate` made of the same studies with the same `only`."""
    runs = selected(loaded, only)
    found = configurations(runs)
    models = _numbered(row.model for row in results.rows if row.model != "none")
    numbers = _numbered(row.method for row in results.rows if not row.is_baseline)
    methods = {method: number % BASELINE_SHAPE for method, number in numbers.items()}
    methods |= {row.method: BASELINE_SHAPE for row in results.rows if row.is_baseline}
    tasks = [
        section(recommendation, results, found, loaded[0].study.select, models, methods, contrasts, evaluation)
        for recommendation in results.recommendations
    ]
    grave = list(grave_caveats(cards_of(found)))
    metrics = {task.name: task.metric for task in tasks}
    lines = [_run(run, metrics) for _, run in runs]
    lines.sort(
        key=lambda line: (line.name, line.run.record.spec.seed, line.run.record.spec.fold or 0, line.run.record.run)
    )
    return Page(
        results=results,
        question=next((study.study.question for study in loaded if study.study.question), ""),
        select=loaded[0].study.select,
        grave=grave,
        warnings=[warning for warning in results.warnings if warning not in grave],
        tasks=tasks,
        runs=lines,
        failures=[line for line in lines if line.run.record.has_failed],
        environments=_environments(runs),
        versions=_versions(runs),
        glossary=_glossary(results),
        alert_rate=evaluation.alert_rate if evaluation else None,
        prevalence=evaluation.prevalence if evaluation else None,
    )


def _run(run: LoadedRun, metrics: Mapping[str, str]) -> RunView:
    spec = run.record.spec
    model = "" if spec.model == "none" else f"{spec.model} · "
    role = " (trial)" if run.record.role == "trial" else ""
    return RunView(run, f"{spec.task} · {model}{spec.method.name}{role}", metrics.get(spec.task, ""))


def _environments(runs: Sequence[tuple[LoadedStudy, LoadedRun]]) -> list[dict[str, str]]:
    """Each kind of hardware, with what ran there."""
    found = {}
    for _, run in runs:
        if environment := run.record.environment:
            found[environment.hardware_id, environment.threads, environment.precision_used] = {
                "hardware": environment.hardware_id,
                "processor": f"{environment.cpu}, {environment.cores} cores",
                "GPU": environment.gpu or "none",
                "threads": str(environment.threads),
                "precision": environment.precision_used,
            }
    return [found[key] for key in sorted(found)]


def _versions(runs: Sequence[tuple[LoadedStudy, LoadedRun]]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for _, run in runs:
        if run.record.environment:
            for name, version in run.record.environment.versions.items():
                found.setdefault(name, set()).add(version)
    return {name: "; ".join(sorted(found[name])) for name in sorted(found)}


def _glossary(results: Results) -> dict[str, str]:
    """Terms and what they mean: general ones, and the metrics and methods that occur."""
    words: dict[str, dict[str, str]] = read_yaml(Path(__file__).with_name("glossary.yaml"))
    metrics = list(dict.fromkeys(row.metric for row in results.rows))
    methods = list(dict.fromkeys(row.method for row in results.rows))
    known: dict[str, Any] = {
        **{metric: words["metrics"].get(metric) or metric_title(metric) for metric in metrics},
        **{method: words["methods"][method] for method in methods if method in words["methods"]},
        **words["general"],
    }
    return {term: known[term] for term in sorted(known, key=str.lower) if known[term]}


def _numbered(names: Any) -> dict[str, int]:
    return {name: index for index, name in enumerate(sorted(set(names)))}
