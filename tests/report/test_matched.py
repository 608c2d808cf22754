"""Methods are set side by side at a like number of trained parameters."""

from __future__ import annotations

from typing import Any

from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.matched import Match, matched
from clinpeft.report.render import write_report


def matches(folder: Any) -> list[Match]:
    rows = aggregate(load([folder.root])).rows
    return matched([row for row in rows if row.split == "validation" and row.metric == "auroc"])


def add(folder: Any) -> None:
    """LoRA in three sizes, adapters in one, a small and a large method."""
    folder.card()
    for rank, trainable, value in ((4, 50_000, 0.80), (8, 100_000, 0.82), (64, 800_000, 0.85)):
        folder.run("small", "lora", 1, value, options={"r": rank}, trainable=trainable)
    folder.run("small", "houlsby-adapter", 1, 0.83, trainable=120_000)
    folder.run("small", "ia3", 1, 0.78, trainable=8_000)
    folder.run("small", "full", 1, 0.86, trainable=22_000_000)


def test_each_method_is_shown_at_its_size_nearest_to_the_count_that_most_share(folder: Any) -> None:
    add(folder)
    (match,) = matches(folder)

    # 100,000 is the smallest count to which both lora and the adapter come within a factor of two.
    assert match.trainable_parameters == 100_000
    assert [(row.method, row.trainable_parameters) for row in match.rows] == [
        ("houlsby-adapter", 120_000),
        ("lora", 100_000),
    ]
    assert set(match.left_out) == {"ia3", "full"}


def test_a_model_with_nothing_alike_shows_nothing(folder: Any) -> None:
    folder.card()
    folder.run("small", "ia3", 1, 0.78, trainable=8_000)
    folder.run("small", "full", 1, 0.86, trainable=22_000_000)

    assert matches(folder) == []


def test_the_report_says_so(folder: Any) -> None:
    add(folder)
    text = write_report([folder.root], folder.root / "report").read_text(encoding="utf-8")

    assert "At a like number of trained parameters" in text
    assert "No configuration of like size: " in text
