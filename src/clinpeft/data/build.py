"""From a task's examples to a dataset: split, check, count, hash the ids, write all files at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from clinpeft.data.card import (
    LISTED_ONLY,
    SPLITS,
    Anomaly,
    Card,
    Contamination,
    Duplicates,
    Expected,
    Filter,
    SourceUse,
    Split,
)
from clinpeft.data.checks import problem_of
from clinpeft.data.dataset import CARD_FILE, TaskDataset, num_shared
from clinpeft.data.description import DATASET_CODE, Description, describe_task
from clinpeft.data.duplicates import handle_duplicates
from clinpeft.data.parquet import write_examples
from clinpeft.data.probes import probes_of
from clinpeft.data.site import hashed_id, make_private_folder, site_key
from clinpeft.data.spans import spans_from_tags, tags_from_spans
from clinpeft.data.split import Splits, split_by_hash
from clinpeft.data.statistics import count_labels, counts_of, words_of
from clinpeft.data.watched import WatchedFiles
from clinpeft.errors import BadInput
from clinpeft.files import remove_leftovers, replacing_folder, sha256_file
from clinpeft.sources.base import SOURCES
from clinpeft.tasks.base import BuildLog, Example, Task

LISTED_ANOMALIES = 100
"""Of each kind: a card is read by people. How many there were stands among the filter steps."""


def build_task(
    task: Task,
    name: str,
    raw: Path,
    out: Path,
    *,
    limit: int | None = None,
    seen_by: tuple[Contamination, ...] = (),
) -> TaskDataset:
    """Build the registered task `name` from the raw folder `raw` (or one above it) into `<out>/<name>/`.

    limit: keep the first so many examples of each split; such a dataset has another fingerprint.
    seen_by: the models that were pre-trained on text of the task's source, for the card.
    Raises BadInput when the raw files are not found or break a rule; nothing is written then.
    """
    source = SOURCES.get(task.source)()
    root = source.find(raw)
    if root is None:
        folders = f" (looked for {', '.join(source.folders)})" if source.folders else ""
        others = [other for other, entry in SOURCES if entry.folders and entry().find(raw) is not None]
        instead = f", but those of {' and '.join(others)}" if others else ""
        rule = f"holds no raw files of source '{task.source}'{folders}{instead}"
        raise BadInput(str(raw), rule, f"get them: {task.download}")
    files, log = WatchedFiles(root), BuildLog()
    description = describe_task(task, name, source.release, limit)
    return write_dataset(task.examples(files, log), description, files, log, out, limit=limit, seen_by=seen_by)


def write_dataset(
    examples: Iterable[Example],
    description: Description,
    files: WatchedFiles,
    log: BuildLog,
    out: Path,
    *,
    limit: int | None = None,
    seen_by: tuple[Contamination, ...] = (),
) -> TaskDataset:
    """Split, check and write examples (ids and text as the source gives them) to `<out>/<description.name>/`.

    Splits are the examples' own when they have one, else by a hash of the subject (70/10/20). What a killed build of
    this dataset left behind is cleared away. Raises BadInput when an example breaks a rule, a split is empty, a subject
    stands in two, or train holds one class only.
    """
    folder = out / description.name
    _refuse_foreign_folder(folder)
    splits, description = _split(_checked(examples, description, log), description, limit)
    duplicates = handle_duplicates(splits, description, log)
    labels = _labels_in_order(splits, description, log)
    shared = num_shared((example.subject for example in splits[split]) for split in SPLITS)
    if shared and description.split_by is not None:
        raise BadInput(description.name, f"{shared} subjects stand in more than one split", "put each in one split")
    use = files.describe(description.source, description.release)
    probes = probes_of(splits["train"], description.kind)
    splits = _with_hashed_ids(splits, description.source)
    card = _card(description, use, labels, splits, duplicates, shared, log, seen_by)
    return _write(folder, card.model_copy(update={"probes": probes}), splits)


def _refuse_foreign_folder(folder: Path) -> None:
    """A dataset is replaced; anything else under its name is somebody's work."""
    if folder.exists() and not (folder / CARD_FILE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(str(folder), "is there already and is no dataset", "choose another --out, or move it away")


def _checked(examples: Iterable[Example], description: Description, log: BuildLog) -> Iterator[Example]:
    """The examples with tags or spans derived; a broken rule or a repeated id ends the build."""
    seen: set[str] = set()
    for number, example in enumerate(examples, start=1):
        if rule := problem_of(example, description.kind, description.labels):
            raise BadInput(f"{description.name}: example {number}", rule)
        if example.example in seen:
            raise BadInput(f"{description.name}: example {number}", "its id stands twice")
        seen.add(example.example)
        yield _with_tags_and_spans(example, log) if description.kind == "entities" else example


def _with_tags_and_spans(example: Example, log: BuildLog) -> Example:
    if example.tags and not example.spans:
        return replace(example, spans=spans_from_tags(example.starts, example.ends, example.tags))
    if example.tags:
        return example
    tags, kept = tags_from_spans(example.starts, example.ends, example.spans)
    for _ in range(len(example.spans) - len(kept)):
        log.anomaly("", None, "overlapping-span-left-out")
    return replace(example, tags=tags, spans=kept)


def _split(examples: Iterable[Example], description: Description, limit: int | None) -> tuple[Splits, Description]:
    splits: Splits = {split: [] for split in SPLITS}
    has_split: set[bool] = set()
    for example in examples:
        has_split.add(example.split is not None)
        side = example.split or split_by_hash(description.source, example.subject)
        if limit is None or len(splits[side]) < limit:
            splits[side].append(example)
        elif all(len(kept) >= limit for kept in splits.values()):
            break
    if len(has_split) > 1:
        raise BadInput(description.name, "some examples name their split and some do not", "name all or none")
    for split, kept in splits.items():
        if not kept and not (split == "validation" and description.folds):
            remedy = _remedy_of_an_empty_split(has_split == {True}, description)
            raise BadInput(description.name, f"the {split} split is empty", remedy)
    if has_split == {False}:
        description = replace(description, split_method="hash", splits_are_ours=True)
    return splits, description


def _remedy_of_an_empty_split(is_published: bool, description: Description) -> str:
    if description.is_own:
        return "give more examples, or split otherwise"
    if dict(description.options).get("split") == "anchor_year_group":
        return "too few patients, newest or older, have an example: give more of the release, or take split=hash"
    if is_published:
        return "the release brings its own split, so part of it is missing: give all its files or archives"
    return "give more of the release: its patients are split by a hash"


def _labels_in_order(splits: Splits, description: Description, log: BuildLog) -> tuple[str, ...]:
    """Logit order; classes that train lacks come last, so that they can be counted as missed."""
    kind = description.kind
    found = {split: set(count_labels(examples, kind)) for split, examples in splits.items()}
    is_one_of_many = kind not in {"multilabel", "entities"}
    if len(found["train"]) < (2 if is_one_of_many else 1):
        what = {"entities": "entity", "multilabel": "label"}.get(kind, "second class")
        raise BadInput(description.name, f"the train split holds no {what}", "is the label column the right one?")
    for split in ("validation", "test"):
        if extra := found[split] - found["train"]:
            log.anomaly(f"{split}.parquet", None, "class-not-in-train")
            if description.is_own and is_one_of_many:
                rule = f"the {split} split holds {len(extra)} classes that train lacks"
                raise BadInput(description.name, rule, "merge or leave out rare classes, or split otherwise")
        if splits[split] and found["train"] - found[split]:
            log.anomaly(f"{split}.parquet", None, "class-only-in-train")
    named = {label for examples in splits.values() for example in examples for label in example.missing}
    unseen = (found["validation"] | found["test"] | named) - found["train"]
    labels = log.labels or description.labels or (*sorted(found["train"]), *sorted(unseen))
    if log.labels is not None and not (found["train"] | unseen).issubset(labels):
        raise BadInput(description.name, "an example has a label that the task does not list")
    if description.positive is not None and description.positive not in labels:
        raise BadInput(description.name, f"the positive class is none of the {len(labels)} classes", "check 'positive'")
    return labels


def _with_hashed_ids(splits: Splits, source: str) -> Splits:
    key = site_key()

    def hashed(example: Example) -> Example:
        return replace(
            example,
            example=hashed_id(key, "example", source, example.example),
            subject=hashed_id(key, "subject", source, example.subject),
            document=hashed_id(key, "document", source, example.document),
        )

    return {split: [hashed(example) for example in examples] for split, examples in splits.items()}


def _card(
    description: Description,
    use: SourceUse,
    labels: tuple[str, ...],
    splits: Splits,
    duplicates: Duplicates,
    shared: int,
    log: BuildLog,
    seen_by: tuple[Contamination, ...],
) -> Card:
    anomalies = _listed_anomalies(log)
    return Card(
        name=description.name,
        version=description.version,
        kind=description.kind,
        labels=labels,
        positive=description.positive,
        metric=description.metric,
        mode=description.mode,
        options=dict(description.options),
        fingerprint=description.fingerprint(use),
        code=DATASET_CODE,
        sources=(use,),
        terms=description.terms,
        split=Split(
            method=description.split_method,
            by=description.split_by,
            shared_subjects=shared,
            folds=description.folds,
            seed=description.seed,
        ),
        filters=tuple(Filter(step=step, kept=kept, dropped=dropped) for step, kept, dropped in log.filters),
        counts={split: counts_of(examples, labels, description.kind) for split, examples in splits.items()},
        words={split: words_of(examples) for split, examples in splits.items()},
        duplicates=duplicates,
        anomalies=anomalies,
        expected=tuple(
            _compared(what, published, got, evidence, why) for what, published, got, evidence, why in log.expected
        ),
        contamination=seen_by,
        files={},
    )


def _listed_anomalies(log: BuildLog) -> tuple[Anomaly, ...]:
    """The first of each kind; where there are more, a filter step says how many are listed and how many are not."""
    listed: list[Anomaly] = []
    num: Counter[str] = Counter()
    for file, line, code in log.anomalies:
        num[code] += 1
        if num[code] <= LISTED_ANOMALIES:
            listed.append(Anomaly(file=file, line=line, code=code))
    for code, number in num.items():
        if number > LISTED_ANOMALIES:
            log.filtered(f"{LISTED_ONLY}{code}", LISTED_ANOMALIES, number - LISTED_ANOMALIES)
    return tuple(listed)


def _compared(what: str, published: float, got: float, evidence: Literal["V", "A", "M"], why: str | None) -> Expected:
    verdict: Literal["equal", "explained", "differs"] = "differs" if why is None else "explained"
    if published == got:
        verdict, why = "equal", None
    return Expected(what=what, published=published, got=got, evidence=evidence, verdict=verdict, why=why)


def _write(folder: Path, card: Card, splits: Splits) -> TaskDataset:
    """All files at once and private whatever the umask: they hold patients' text."""
    make_private_folder(folder.parent)
    remove_leftovers(folder.parent, folder.name)
    groups = list(dict.fromkeys(name for split in SPLITS for example in splits[split] for name in example.groups))
    with replacing_folder(folder) as temporary:
        temporary.chmod(0o700)
        for split in SPLITS:
            write_examples(temporary / f"{split}.parquet", splits[split], card.kind, groups)
        shas = {f"{split}.parquet": sha256_file(temporary / f"{split}.parquet") for split in SPLITS}
        card = card.model_copy(update={"files": shas})
        path = temporary / CARD_FILE
        path.touch(mode=0o600)
        path.chmod(0o600)
        plain = card.model_dump(mode="json", by_alias=True)
        path.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return TaskDataset(folder, card)
