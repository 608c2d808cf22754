"""What a report is made from: a study's folder, read and never written."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from clinpeft.data.card import Card
from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen, parse_json
from clinpeft.record import RunRecord, TestRecord
from clinpeft.runs.journal import Journal
from clinpeft.runs.late_limits import limits_of
from clinpeft.spec import CostField, Select, Study


class ModelFacts(Frozen):
    """`models/<model>.json`: what the study knew of a model beside its runs."""

    name: str
    domain: str = "unknown"
    backbone_parameters: int | None = None
    """Embeddings, layers and pooler, without head and adapter."""
    hub: str | None = None
    note: str = ""


@dataclass(frozen=True)
class LoadedRun:
    """A run that has ended in any way."""

    folder: Path
    record: RunRecord
    record_sha256: str
    """Of record.json, so that every number can be traced to a file."""
    test: TestRecord | None
    """Present once the test labels were opened."""


@dataclass(frozen=True)
class LoadedStudy:
    """A study and what lies in its folder; a task or model without a file there is simply absent."""

    folder: Path
    study: Study
    runs: tuple[LoadedRun, ...]
    """By run id."""
    cards: dict[str, Card]
    """Of the datasets, by task."""
    models: dict[str, ModelFacts]
    earlier_selects: tuple[Select, ...]
    """The selection rules of the study's earlier versions, as far as they differ from today's."""
    other_metrics: tuple[str, ...] = ()
    """Tasks that an earlier version judged by another metric of their own."""
    times_opened: int = 0
    """How often its test labels were opened, by its journal or by the most of any run."""
    later_limits: tuple[tuple[CostField, float], ...] = ()
    """Limits that were given to `recommend` and do not stand in the study, by its journal."""
    planned: frozenset[str] | None = None
    """Ids of the runs that the study asks for today, as its index names them; None where it keeps none."""

    @property
    def rule_changed(self) -> bool:
        """Whether it was to choose by another rule or metric once."""
        return bool(self.earlier_selects or self.other_metrics)

    @property
    def trials(self) -> list[LoadedRun]:
        """Those of today's searches: a range or number of trials that was edited leaves others behind."""
        found = [run for run in self.runs if run.record.role == "trial"]
        return [run for run in found if self.planned is None or run.record.run in self.planned]


def load(dirs: list[Path]) -> list[LoadedStudy]:
    """The studies in `dirs`, in the order given; a run that lies in several counts once, in the first.

    Raises BadInput when `dirs` is empty, a folder holds no study, or a file breaks its schema.
    """
    if not dirs:
        raise BadInput("report", "no study's folder is named", "give at least one")
    seen: set[str] = set()
    loaded = []
    for folder in dirs:
        study = _load(folder, seen)
        seen |= {run.record.run for run in study.runs}
        loaded.append(study)
    return loaded


def _load(folder: Path, skip: set[str]) -> LoadedStudy:
    if not (folder / "study.yaml").is_file():
        raise BadInput(str(folder), "holds no study (no study.yaml)", "name the folder given to `clinpeft run --out`")
    study = Study.read(folder / "study.yaml")
    paths = sorted(folder.glob("runs/*/record.json"))
    models = [parse_json(ModelFacts, path.read_bytes(), str(path)) for path in sorted(folder.glob("models/*.json"))]
    cards = {path.stem: parse_json(Card, path.read_bytes(), str(path)) for path in sorted(folder.glob("cards/*.json"))}
    earlier = [Study.read(path) for path in sorted(folder.glob("study-*.yaml"))]
    runs = tuple(_load_run(path) for path in paths if path.parent.name not in skip)
    journal = Journal(folder / "journal.jsonl")
    openings = [len(journal.notes("test_opened")), *(len(run.test.opened) for run in runs if run.test)]
    return LoadedStudy(
        folder=folder,
        study=study,
        runs=runs,
        cards=cards,
        models={model.name: model for model in models},
        earlier_selects=tuple(version.select for version in earlier if version.select != study.select),
        other_metrics=_other_metrics(study, earlier),
        times_opened=max(openings),
        later_limits=tuple(limits_of(journal.notes("limits_changed"))),
        planned=_planned(folder / "index.csv"),
    )


def _other_metrics(study: Study, earlier: Sequence[Study]) -> tuple[str, ...]:
    metrics = {task.name: task.metric for task in study.tasks}
    changed = [task.name for version in earlier for task in version.tasks if task.metric != metrics.get(task.name)]
    return tuple(name for name in dict.fromkeys(changed) if name in metrics)


def _planned(index: Path) -> frozenset[str] | None:
    if not index.is_file():
        return None
    try:
        with index.open(encoding="utf-8", newline="") as lines:
            return frozenset(row["run"] for row in csv.DictReader(lines))
    except (KeyError, UnicodeDecodeError, csv.Error):
        raise BadInput(str(index), "is no index of runs", "`clinpeft run` writes it anew; delete it") from None


def _load_run(path: Path) -> LoadedRun:
    text = path.read_bytes()
    record = parse_json(RunRecord, text, str(path))
    if record.run != path.parent.name:
        raise BadInput(str(path), "is the record of another run", "put the folder back under its run's id")
    opened = path.with_name("test.json")
    test = parse_json(TestRecord, opened.read_bytes(), str(opened)) if opened.is_file() else None
    return LoadedRun(path.parent, record, sha256(text).hexdigest(), test)
