"""results.csv."""

from __future__ import annotations

import csv
import io
from typing import Any

from clinpeft.report.aggregate import aggregate, load


def table(folder: Any) -> list[dict[str, str]]:
    text = aggregate(load([folder.root])).to_csv()
    assert "\r" not in text
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_of_the_csv_is_a_row_of_the_results(folder: Any) -> None:
    folder.run(seed=1, value=0.8, seconds=100, options={"rank": 8, "alpha": 16})
    failed = folder.failed("small", "lora", 2, "failed", "bug", "x", options={"rank": 8, "alpha": 16})

    (row,) = table(folder)

    assert (row["task"], row["mean"], row["per_seed"], row["num_failed"]) == ("ward-notes", "0.8", "0.8;", "1")
    assert row["options"] == '{"alpha": 16, "learning_rate": 0.001, "rank": 8}'
    assert row["runs"].split(";")[1] == failed.run
    assert (row["train_seconds_mean"], row["train_seconds_how"]) == ("100.0", "measured")
    assert (row["energy_joules_mean"], row["energy_joules_how"]) == ("", "")


def test_a_subset_is_written_as_json(folder: Any) -> None:
    folder.run(train={"subset": {"per_class": 16, "seed": 3}})

    assert table(folder)[0]["subset"] == '{"per_class": 16, "seed": 3}'


def test_text_that_a_spreadsheet_would_run_is_quoted(folder: Any) -> None:
    for name in ("=cmd()", "+1", "-1", "@x", "\tx"):
        folder.run(name)

    assert {row["model"] for row in table(folder)} == {"'=cmd()", "'+1", "'-1", "'@x", "'\tx"}
