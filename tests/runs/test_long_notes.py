"""Notes whose telling words stand where a model that keeps their start does not look."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clinpeft.record import RunRecord
    from tests.conftest import Small

FILLER = (
    "the patient is old and has no fever cough on admission with stable blood pressure daily aspirin heparin".split()
)


def write_long_notes(small: Small, *, after: int, num_rows: int = 160) -> None:
    """40 words that tell nothing, the word that tells the outcome, and `after` more words."""
    rng = random.Random(0)
    lines = ["patient,note,outcome"]
    for number in range(num_rows):
        word, outcome = ("severe", "yes") if number % 2 else ("mild", "no")
        words = [*rng.choices(FILLER, k=40), "history", ":", word, "pain", *rng.choices(FILLER, k=after)]
        lines.append(f"MRN-{number:05},{' '.join(words)},{outcome}")
    (small.folder / "notes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(small: Small, long_text: str, **train: object) -> RunRecord:
    small.write(
        task={"metric": "auroc"},
        methods=[{"name": "full", "learning_rate": 3e-3}],
        baselines=[],
        train={"epochs": 6, "max_length": 24, "early_stopping_patience": None, "long_text": long_text, **train},
    )
    small.run()
    return next(record for record in small.store.records() if record.spec.train.long_text == long_text)


def auroc(record: RunRecord) -> float:
    value = record.scores["auroc"].value
    assert value is not None
    return value


@pytest.mark.parametrize("long_text", ["windows", "windows_max", "windows_attention"])
def test_windows_find_what_stands_in_the_middle_of_a_long_note(small: Small, long_text: str) -> None:
    write_long_notes(small, after=40)
    start, whole = run(small, "truncate"), run(small, long_text)

    assert auroc(whole) > auroc(start) + 0.3
    assert [start.truncated[name].examples for name in ("train", "validation", "test")] == [80, 40, 40]
    assert all(cut.examples == cut.labels == 0 for cut in whole.truncated.values())
    assert whole.work is not None
    # 84 words and more in windows of 22 that share 5: five or six, of each example in each epoch.
    assert whole.work.examples == 6 * 80
    assert whole.work.tokens > 6 * 80 * 84
    assert start.work is not None
    assert start.work.tokens == 6 * 80 * 24


def test_both_ends_find_what_stands_near_the_end(small: Small) -> None:
    write_long_notes(small, after=4)

    assert auroc(run(small, "head_tail")) > auroc(run(small, "truncate")) + 0.3


def test_learned_weights_are_saved_with_the_head(small: Small) -> None:
    from safetensors.numpy import load_file

    write_long_notes(small, after=40, num_rows=40)
    record = run(small, "windows_attention", epochs=1)
    head = load_file(small.store.run_folder(record.run) / "adapter" / "head.safetensors")

    assert head["windows.attention"].shape == (32,)
    assert head["windows.attention"].any()
    assert record.parameters is not None
    # Two outputs on a width of 32, and the weights.
    assert record.parameters.head == 2 * 32 + 2 + 32
