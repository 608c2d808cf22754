"""Wrong answers with their texts, for whoever may read the patients' notes: never in the report, in a file of its own
beside the dataset that only its owner can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clinpeft.data.dataset import TaskDataset, find_dataset
from clinpeft.errors import BadInput
from clinpeft.files import for_owner_only, write_atomic
from clinpeft.report.configurations import Configuration
from clinpeft.report.folds import FILES, pooled_with_groups, rows_of
from clinpeft.report.load import LoadedRun
from clinpeft.report.results import Recommendation
from clinpeft.report.tables import file_name
from clinpeft.tasks.base import Example

if TYPE_CHECKING:
    from clinpeft.metrics.base import Floats, Predictions

BANNER = (
    "PATIENTS' TEXT. This file lies beside the dataset and only its owner can read it. Do not send it, copy it into a\n"
    "report, or put it under version control; delete it when you have read it.\n"
)


def write_errors(
    recommendations: Sequence[Recommendation], found: Sequence[Configuration], most: int, data: Sequence[Path] = ()
) -> list[Path]:
    """`errors-<task>.txt` beside each task's dataset: the recommended run's surest wrong answers on validation.

    Nothing is written for a task whose predictions are not kept. data: more folders with datasets. Raises BadInput when
    a dataset is not found, or is another than the run's; then no file is written.
    """
    texts: dict[Path, str] = {}
    for item in recommendations:
        if item.choice is None:
            continue
        for configuration in found:
            runs = [run for run in configuration.successes() if run.record.run == item.choice.run]
            if runs:
                texts |= _of_choice(configuration, runs[0], most, data)
    with for_owner_only():
        for path, text in texts.items():
            write_atomic(path, text)
    return list(texts)


def _of_choice(configuration: Configuration, run: LoadedRun, most: int, data: Sequence[Path]) -> dict[Path, str]:
    card = configuration.card
    runs = configuration.successes(run.record.spec.seed) if configuration.num_folds else [run]
    read = pooled_with_groups(runs, card) if card else None
    if card is None or read is None:
        return {}
    dataset = _dataset(configuration, data)
    texts = {example.example: example for split in ("train", "validation") for example in dataset.examples(split)}
    names = [row["example"] for each in runs for row in rows_of(each, FILES["validation"])]
    wrong, sureness = _wrong(read[0])
    surest = sorted(wrong, key=lambda place: (-sureness[place], place))[:most]
    parts = [_told(texts[names[place]], read[0], place) for place in surest]
    head = (
        f"{configuration.spec.task}: {len(surest)} of {len(wrong)} wrong answers on validation, run {run.record.run}\n"
    )
    path = dataset.folder.parent / f"{file_name(f'errors-{card.name}', set())}.txt"
    return {path: "\n".join([BANNER, head, *parts])}


def _dataset(configuration: Configuration, data: Sequence[Path]) -> TaskDataset:
    study, task = configuration.study, configuration.spec.task
    named = [study.folder.parent / name for name in study.study.data]
    path = find_dataset(task, [study.folder / "datasets", *data, *named])
    if path is None:
        raise BadInput(f"task '{task}'", "its dataset was not found", "name the folder it lies in with --data")
    dataset = TaskDataset.open(path)
    if dataset.card.fingerprint != configuration.runs[0].record.identity.dataset:
        raise BadInput(str(path), "is another dataset than the run was trained on", "name the right one with --data")
    return dataset


def _wrong(predictions: Predictions) -> tuple[list[int], Floats]:
    """Places of the wrong answers; and of every example how sure the model was (of entities: how many words differ)."""
    import numpy as np

    from clinpeft.metrics._decisions import annotated, gold_of, predicted_classes, predicted_labels, scores_of

    if predictions.kind == "entities":
        pairs = zip(predictions.gold_tags, predictions.predicted_tags, strict=True)
        differing = np.array([sum(a != b for a, b in zip(*pair, strict=False)) for pair in pairs], dtype=np.float64)
        return np.flatnonzero(differing).tolist(), differing
    gold, scores = gold_of(predictions), scores_of(predictions)
    if predictions.kind == "multilabel":
        is_wrong = (predicted_labels(predictions) != (gold == 1)) & annotated(predictions)
        return np.flatnonzero(is_wrong.any(axis=1)).tolist(), np.where(is_wrong, abs(scores - gold), 0.0).max(axis=1)
    classes = predicted_classes(predictions)
    return np.flatnonzero(classes != gold).tolist(), scores[np.arange(len(gold)), classes]


def _told(example: Example, predictions: Predictions, place: int) -> str:
    """One wrong answer: what is right, what the model said, and the text."""
    text = example.text if example.text_b is None else f"{example.text}\n--\n{example.text_b}"
    return f"{'-' * 80}\n{example.example}\n{_answers(predictions, place)}\n\n{text}\n"


def _answers(predictions: Predictions, place: int) -> str:
    from clinpeft.metrics._decisions import gold_of, predicted_classes, predicted_labels, scores_of

    if predictions.kind == "entities":
        tags = zip(predictions.gold_tags[place], predictions.predicted_tags[place], strict=False)
        differing = [f"word {number}: {gold}, said {said}" for number, (gold, said) in enumerate(tags) if gold != said]
        return "\n".join(differing)
    labels, gold = predictions.labels, gold_of(predictions)[place]
    if predictions.kind == "multilabel":
        said = predicted_labels(predictions)[place]
        right = [label for label, is_one in zip(labels, gold, strict=True) if is_one]
        answered = [label for label, is_one in zip(labels, said, strict=True) if is_one]
        return f"right: {', '.join(right) or 'none'}\nsaid: {', '.join(answered) or 'none'}"
    said_class = int(predicted_classes(predictions)[place])
    score = float(scores_of(predictions)[place, said_class])
    return f"right: {labels[int(gold)]}\nsaid: {labels[said_class]} ({score:.3f})"
