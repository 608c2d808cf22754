"""A study's results as a Markdown page: `python benchmarks/table.py STUDY… > docs/benchmarks/NAME.md`.

One table a task: every configuration on test, with its interval, size, time and memory, best first, and the difference
of each from TF-IDF + logistic regression with the interval of that difference.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.load import LoadedStudy
from clinpeft.report.recommend import difference
from clinpeft.report.results import ResultRow, Results


def main(folders: list[Path]) -> None:
    """Print the page."""
    loaded = load(folders)
    results = aggregate(loaded)
    print(f"# {results.study.name.split('/')[0].split(' + ')[0]}: measured results\n")
    print(machine(loaded))
    for task in dict.fromkeys(row.task for row in results.rows):
        print(f"\n## {task}\n\n{table(headline_rows(results, task))}")


def machine(loaded: list[LoadedStudy]) -> str:
    """What the numbers were measured on and with."""
    records = [run.record for study in loaded for run in study.runs]
    machines = {record.environment.model_dump_json(): record.environment for record in records if record.environment}
    environments = list({environment.hardware_id: environment for environment in machines.values()}.values())
    precisions = sorted({item.precision_used for item in machines.values() if item.micro_batch > 1})
    seconds = sum(cost.value or 0 for record in records for name, cost in record.cost.items() if name in TIMES)
    lines = [f"- {len(records)} runs, {sum(record.status != 'success' for record in records)} failed"]
    for item in environments:
        versions = ", ".join(f"{name} {version}" for name, version in item.versions.items())
        cores = f"{item.cores} core{'s' * (item.cores != 1)}"
        lines.append(f"- {item.cpu}, {cores} a run, {', '.join(precisions)}; {versions}")
    lines.append(f"- training and scoring took {seconds / 60:.0f} minutes in all")
    lines += [f"- `{study.study.name}`: {study.study.train.model_dump_json(exclude_defaults=True)}" for study in loaded]
    return "\n".join(lines)


TIMES = {"train_seconds", "evaluate_seconds"}


def headline_rows(results: Results, task: str) -> list[ResultRow]:
    """The task's rows of its headline metric on test, best first."""
    rows = [row for row in results.rows if row.task == task and row.split == "test"]
    metric = next(row.metric for row in results.rows if row.task == task)
    return sorted((row for row in rows if row.metric == metric), key=lambda row: -(row.quality or 0))


def table(rows: list[ResultRow]) -> str:
    """A Markdown table of the rows."""
    baseline = next((row for row in rows if row.method == "tfidf-logistic"), None)
    lines = [
        f"| model | method | test {rows[0].metric} [95 %] | against TF-IDF [95 %] | trained | seconds | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        gap = difference(row, baseline) if baseline and row is not baseline and row.mean is not None else None
        lines.append(
            f"| {row.model} | {row.method} | {_span(row.mean, row.low, row.high)} "
            f"| {_span(gap.value, gap.low, gap.high, sign='+') if gap else ''} "
            f"| {'' if row.trainable_parameters is None else f'{row.trainable_parameters:,}'} "
            f"| {_cost(row, 'train_seconds', 1, '.1f')} | {_cost(row, 'peak_host_bytes', 1e6, '.0f')} |"
        )
    return "\n".join(lines)


def _span(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    if value is None:
        return "undefined"
    bounds = "" if low is None or high is None else f" [{low:{sign}.3f}, {high:{sign}.3f}]"
    return f"{value:{sign}.3f}{bounds}"


def _cost(row: ResultRow, field: str, unit: float, form: str) -> str:
    summary = next((item for name, item in row.cost.items() if name == field), None)
    return "" if summary is None or summary.mean is None else f"{summary.mean / unit:{form}}"


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
