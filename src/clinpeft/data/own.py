"""A task of one's own: from the files that a study names to a dataset."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from clinpeft.data.build import write_dataset
from clinpeft.data.card import SPLITS, SourceFile, SourceUse
from clinpeft.data.checks import labels_of
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.description import Description
from clinpeft.data.own_documents import document_format, rows_of_brat, rows_of_conll, rows_of_pubtator
from clinpeft.data.own_tables import Rows, odd_classes, rows_of_table
from clinpeft.data.split import Labels, joined, newest, share_out
from clinpeft.data.watched import WatchedFiles
from clinpeft.errors import BadInput
from clinpeft.frozen import fingerprint
from clinpeft.sources.tabular import read_table
from clinpeft.spec import Kind, Scalar, SplitChoice, TaskChoice
from clinpeft.tasks.base import BuildLog, Example

FOLDS_BELOW_SUBJECTS = 1_000
"""With fewer subjects one validation split is too small to choose by, so folds are the default."""
DEFAULT_FOLDS = 5

DEFAULT_METRICS: dict[Kind, str] = {
    "classification": "f1-macro",
    "pairs": "accuracy",
    "multilabel": "f1-micro",
    "entities": "entity-f1",
    "relations": "relation-f1",
}
"""By kind; a classification task of two classes takes `auroc`."""
USUAL_POSITIVES = {
    ("0", "1"): "1",
    ("no", "yes"): "yes",
    ("false", "true"): "true",
    ("negative", "positive"): "positive",
}


class OwnFiles(WatchedFiles):
    """The user's files; a folder of documents is one entry, because its files' names may be patients' ids."""

    def describe(self, source: str, release: str | None) -> SourceUse:
        """The card's entry for what was read, folders summed up. Raises BadInput when a file changed meanwhile."""
        use = super().describe(source, release)
        if source != "brat":
            return use
        folders: dict[str, list[SourceFile]] = {}
        for file in use.files:
            folders.setdefault(Path(file.path).parts[0], []).append(file)
        return use.model_copy(update={"files": tuple(_summed(name, files) for name, files in sorted(folders.items()))})


def import_task(choice: TaskChoice, base: Path, out: Path) -> TaskDataset:
    """Build the dataset of a task by files into `<out>/<choice.name>/`; its paths are relative to `base`.

    Tables need `subject`, the patient's column, or `subject: none`; in annotated documents the document stands for the
    patient. One table (`files.data`) is split by subject, classes spread evenly, 70/10/20, or below 1,000 subjects into
    a test split and a pool of 5 folds (train holds the pool, validation is empty). Nothing is written when it raises.

    Raises BadInput with file, row or line, column and rule; never with a cell's text.
    """
    paths = own_files(choice, base)
    formats = {document_format(path, str(choice.kind)) or "tabular" for path in paths.values()}
    if len(formats) > 1:
        raise BadInput(choice.name, "its files are of different formats", "use one format for all splits")
    source = formats.pop()
    _refuse_columns_of_documents(choice, source)
    files, log = OwnFiles(Path(os.path.commonpath([path.parent for path in paths.values()]))), BuildLog()
    rows = {name: _read(files, path, name, source, choice, log) for name, path in paths.items()}
    everything = [example for each in rows.values() for example in each.examples]
    _refuse_odd_classes(everything, choice)
    _refuse_ids_in_two_files(rows, choice)
    description = _describe(choice, source, paths, everything)
    if "data" in rows:
        examples, description = _cut(rows["data"], choice.split or SplitChoice(), description)
    else:
        examples = [_in_split(example, name) for name, each in rows.items() for example in each.examples]
    return write_dataset(examples, description, files, log, out)


def own_files(choice: TaskChoice, base: Path) -> dict[str, Path]:
    """The files that a task names, by split or as `data`. Raises BadInput when one is not there or stands twice."""
    if choice.files is None or choice.kind is None:
        raise BadInput(f"task '{choice.name}'", "names no files", "add 'files' and 'kind'")
    if choice.files.data is None and choice.split is not None:
        raise BadInput(
            f"task '{choice.name}'", "'split' cuts one table ('data')", "leave it out where each split has a file"
        )
    named = {name: getattr(choice.files, name) for name in ("data", *SPLITS)}
    paths = {name: Path(os.path.normpath(base / path)) for name, path in named.items() if path is not None}
    for path in paths.values():
        if not path.exists():
            raise BadInput(str(path), "is not there", "paths are relative to the study's file")
    if len(set(paths.values())) < len(paths):
        raise BadInput(f"task '{choice.name}'", "names one file for two splits")
    return paths


def usual_positive(classes: Sequence[str]) -> str | None:
    """The positive one of two classes that are called as usual (0 and 1, no and yes, …), else None."""
    folded = {label.casefold(): label for label in classes}
    for negative, positive in USUAL_POSITIVES:
        if set(folded) == {negative, positive} and len(classes) == 2:
            return folded[positive]
    return None


def _refuse_columns_of_documents(choice: TaskChoice, source: str) -> None:
    if source == "tabular":
        return
    given: dict[str, Any] = {"id": choice.id, "text": choice.text, "text_b": choice.text_b, "label": choice.label}
    given |= {"groups": choice.groups or None, "split.time": choice.split and choice.split.time}
    given |= {"subject": None if choice.subject == "none" else choice.subject}
    given |= {"split.by": None if not choice.split or choice.split.by == "none" else choice.split.by}
    if wrong := sorted(key for key, value in given.items() if value is not None):
        raise BadInput(
            f"task '{choice.name}'", f"'{wrong[0]}' names a column, and {source} files have none", "leave it out"
        )


def _read(files: OwnFiles, path: Path, name: str, source: str, choice: TaskChoice, log: BuildLog) -> Rows:
    if source == "brat":
        rows = rows_of_brat(files, path, choice, name, log)
    elif source == "pubtator":
        rows = rows_of_pubtator(files, path, choice, name, log)
    elif source == "conll":
        rows = rows_of_conll(files, path, choice, name)
    else:
        table = read_table(files, path)
        if choice.kind in {"entities", "relations"} and ".csv" in path.name.casefold():
            rule = f"a CSV cell cannot hold the {choice.kind} of a text"
            raise BadInput(path.name, rule, "use JSON Lines, Parquet, CoNLL, brat or PubTator")
        rows = rows_of_table(table, choice, name)
    if not rows.examples:
        raise BadInput(path.name, "holds no examples")
    return rows


def _refuse_odd_classes(examples: Sequence[Example], choice: TaskChoice) -> None:
    kind = choice.kind or "classification"
    num_classes = len({label for example in examples for label in _classes(example, kind)})
    column = choice.label or "label"
    if rule := odd_classes(kind, num_classes, len(examples)):
        raise BadInput(f"task '{choice.name}': column '{column}'", rule, f"is '{column}' the label column?")


def _refuse_ids_in_two_files(rows: dict[str, Rows], choice: TaskChoice) -> None:
    counts = Counter(id_ for each in rows.values() for id_ in {example.example for example in each.examples})
    if shared := sum(count > 1 for count in counts.values()):
        raise BadInput(
            f"task '{choice.name}': column '{choice.id}'", f"{shared} ids stand in two files", "an id names one row"
        )


def _describe(choice: TaskChoice, source: str, paths: dict[str, Path], examples: Sequence[Example]) -> Description:
    kind = choice.kind or "classification"
    classes = sorted({label for example in examples for label in _classes(example, kind)})
    metric = choice.metric or ("auroc" if kind == "classification" and len(classes) == 2 else DEFAULT_METRICS[kind])
    _refuse_metric(choice, kind)
    has_subjects = choice.subject != "none" and not (choice.split and choice.split.by == "none")
    own_column = choice.split.by if choice.split and choice.split.by else None
    return Description(
        name=choice.name,
        kind=kind,
        metric=metric,
        source=source,
        positive=_positive(choice, classes, metric),
        options=_options(choice, paths),
        split_method="user",
        split_by=own_column or ("subject" if source == "tabular" else "document") if has_subjects else None,
        is_own=True,
    )


def _refuse_metric(choice: TaskChoice, kind: Kind) -> None:
    if choice.metric is None:
        return
    from clinpeft.metrics.base import METRICS

    kinds = METRICS.get(choice.metric).kinds
    if kind not in kinds:
        raise BadInput(
            f"task '{choice.name}': metric '{choice.metric}'", f"is not defined for {kind}", f"only {', '.join(kinds)}"
        )


def _positive(choice: TaskChoice, classes: Sequence[str], metric: str) -> str | None:
    """The class that counts as a case, where the labels say so by themselves."""
    where = f"task '{choice.name}'"
    if choice.positive is not None:
        if choice.positive not in classes:
            raise BadInput(where, "'positive' is none of the classes", "class names are text: case and blanks count")
        return choice.positive
    if choice.kind not in {"classification", "pairs"} or len(classes) != 2:
        return None
    usual = usual_positive(classes)
    if usual is None and metric in {"auroc", "auprc"}:
        raise BadInput(where, f"{metric} of two classes needs 'positive'", "name the class that counts as a case")
    return usual


def _options(choice: TaskChoice, paths: dict[str, Path]) -> tuple[tuple[str, Scalar | tuple[Scalar, ...]], ...]:
    """What the dataset depends on beside its files, flat; file names without folders, so that a study can move."""
    plain: dict[str, Any] = choice.model_dump(
        mode="json", exclude={"name", "kind", "files", "split", "validation"}, exclude_defaults=True
    )
    plain["kind"] = choice.kind
    if choice.split is not None:
        split = choice.split.model_dump(mode="json", exclude_none=True)
        plain |= {f"split.{key}": value for key, value in split.items()}
    plain |= {f"files.{name}": path.name for name, path in paths.items()}
    return tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in sorted(plain.items()))


def _cut(rows: Rows, split: SplitChoice, description: Description) -> tuple[list[Example], Description]:
    """One table as train, validation and test; with folds, train is all that is not test."""
    examples, seed = rows.examples, split.seed
    subjects = [example.subject for example in examples]
    groups = rows.by if description.split_by is None or rows.by == subjects else joined(subjects, rows.by)
    folds = split.folds
    if folds is None:
        folds = DEFAULT_FOLDS if len(set(subjects)) < FOLDS_BELOW_SUBJECTS else 0
    train, validation, test = split.fractions
    shares = [train + validation, 0.0, test] if folds else [train, validation, test]
    labels = [_classes(example, description.kind) for example in examples]
    if rows.days:
        parts = _parts_by_time(rows.days, labels, groups, shares, seed)
    else:
        parts = share_out(labels, groups, shares, seed)
    if folds:
        pool = {group for group, part in zip(groups, parts, strict=True) if part == 0}
        if len(pool) < folds:
            raise BadInput(description.name, f"{len(pool)} subjects cannot fill {folds} folds", "ask for fewer folds")
    cut = [_in_split(example, SPLITS[part]) for example, part in zip(examples, parts, strict=True)]
    return cut, replace(description, folds=folds, seed=seed, splits_are_ours=True)


def _parts_by_time(
    days: Sequence[date], labels: Labels, groups: Sequence[str], shares: Sequence[float], seed: int
) -> list[int]:
    """The newest groups are test (2); the others are shared out as without time."""
    latest = newest(days, groups, shares[2], seed)
    older = [row for row, group in enumerate(groups) if group not in latest]
    rest = [share / (shares[0] + shares[1]) for share in shares[:2]]
    earlier = iter(share_out([labels[row] for row in older], [groups[row] for row in older], rest, seed))
    return [2 if group in latest else next(earlier) for group in groups]


def _classes(example: Example, kind: Kind) -> tuple[str, ...]:
    """Classes, or types of entities, of an example that may have tags and no spans yet."""
    return labels_of(example, kind) or tuple(tag[2:] for tag in example.tags if tag.startswith("B-"))


def _in_split(example: Example, split: Any) -> Example:
    return replace(example, split=split)


def _summed(name: str, files: Sequence[SourceFile]) -> SourceFile:
    sha = fingerprint([[file.path, file.sha256] for file in files])
    return SourceFile(path=f"{name}/", bytes=sum(file.bytes for file in files), sha256=sha)
