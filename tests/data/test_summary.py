"""What a build says of its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clinpeft.data.build import WatchedFiles, write_dataset
from clinpeft.data.card import Card
from clinpeft.data.description import Description
from clinpeft.data.summary import MOST_STEPS, summary_lines, warning_lines
from clinpeft.tasks.base import BuildLog, Example

DESCRIPTION = Description("demo", "classification", "f1-macro", "tabular", splits_are_ours=True)


def card_of(tmp_path: Path, log: BuildLog, description: Description = DESCRIPTION, num_labels: int = 2) -> Card:
    (tmp_path / "files").mkdir(exist_ok=True)
    examples = [
        Example(f"{split}{row}", f"{split}{row}", f"{split}{row}", f"{split} text {row}", split=split, label=f"l{row}")
        for split in ("train", "validation", "test")
        for row in range(num_labels)
    ]
    return write_dataset(examples, description, WatchedFiles(tmp_path / "files"), log, tmp_path / "out").card


def test_sizes_classes_and_copies_are_told(tmp_path: Path) -> None:
    assert list(summary_lines(card_of(tmp_path, BuildLog()))) == [
        "train: 2 examples of 2 subjects; words: half up to 3, 95 % up to 3",
        "validation: 2 examples of 2 subjects; words: half up to 3, 95 % up to 3",
        "test: 2 examples of 2 subjects; words: half up to 3, 95 % up to 3",
        "labels (train/validation/test): l0 1/1/1, l1 1/1/1",
        "across splits: 0 copies, near copies not looked for; 0 left train",
    ]


def test_the_steps_that_dropped_most_stand_in_their_order(tmp_path: Path) -> None:
    log = BuildLog()
    log.filtered("read", 2_083_180, 0)
    log.filtered("with-text", 2_000_000, 83_180)
    for number in range(MOST_STEPS):
        log.filtered(f"step-{number}", 1_000, number + 1)
    log.filtered("counted-only: mentions 'expired'", 7, 900_000)
    lines = list(summary_lines(card_of(tmp_path, log)))

    assert lines[3:] == [
        "  with-text  kept   2,000,000  dropped      83,180",
        *(f"  step-{number}     kept       1,000  dropped {number + 1:>11}" for number in range(1, MOST_STEPS)),
        "  1 more steps dropped fewer",
        *lines[-2:],
    ]


def test_many_labels_are_only_counted(tmp_path: Path) -> None:
    assert "labels: 11" in list(summary_lines(card_of(tmp_path, BuildLog(), num_labels=11)))


def test_anomalies_are_counted_by_kind_most_frequent_first(tmp_path: Path) -> None:
    log = BuildLog()
    for line in range(120):
        log.anomaly("a", line, "odd-line")
    log.anomaly("a", 1, "no-text")

    assert list(summary_lines(card_of(tmp_path, log)))[-1] == "anomalies, listed in card.json: 120 odd-line, 1 no-text"


def test_published_counts_are_told_by_what_becomes_of_them(tmp_path: Path) -> None:
    log = BuildLog()
    log.expect("rows", 6, 6, "V")
    log.expect("patients", 7, 6, "V", "the file holds 6")
    log.expect("notes", 7, 6, "V", "the file holds 6")
    log.expect("words", 7, 6, "M")
    lines = list(summary_lines(card_of(tmp_path, log)))

    assert lines[-1] == "published counts: 1 equal, 2 explained, 1 not explained"


def test_a_sound_dataset_warns_of_nothing(tmp_path: Path) -> None:
    assert list(warning_lines(card_of(tmp_path, BuildLog()))) == []


def test_unexplained_counts_hindsight_and_shared_subjects_are_warned_of(tmp_path: Path) -> None:
    log = BuildLog()
    log.expect("rows", 7, 6, "V")
    log.expect("patients", 7, 6, "V", "the file holds 6")
    options = (("text", "full"), ("allow_hindsight", True))
    card = card_of(tmp_path, log, replace(DESCRIPTION, split_by=None, options=options))
    card = card.model_copy(update={"split": card.split.model_copy(update={"shared_subjects": 3})})
    told = "\n".join(warning_lines(card))

    assert told.startswith("the texts were written when the outcome was known")
    assert "3 subjects stand in more than one split" in told
    assert "1 of 2 counts are not the published ones" in told


def test_copies_that_stay_are_warned_of(tmp_path: Path) -> None:
    card = card_of(tmp_path, BuildLog())
    duplicates = card.duplicates.model_copy(update={"exact": 5, "near": 2, "dropped": 1})

    assert "6 texts have a copy or a near copy in a later split" in "".join(
        warning_lines(card.model_copy(update={"duplicates": duplicates}))
    )
