"""MedNLI read a second time, with the standard library's JSON and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput
from clinpeft.recount import Options, Recounted
from clinpeft.recount._release_files import release_files

_NAMES = ("mli_train_v1.jsonl", "mli_dev_v1.jsonl", "mli_test_v1.jsonl")


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """Every pair with its label and both sentences; in the correct mode without pairs whose premise a later file
    holds, in paper mode without the second sentence."""
    is_paper = options["mode"] == "paper"
    rows = [_rows(root, name) for name in _NAMES]
    for number, these in enumerate(rows):
        later = {row["sentence1"] for others in rows[number + 1 :] for row in others}
        for row in these:
            if is_paper or row["sentence1"] not in later:
                hypothesis = None if is_paper else row["sentence2"]
                yield Recounted(row["pairID"], (row["gold_label"],), row["sentence1"], hypothesis)


def _rows(root: Path, name: str) -> list[dict[str, Any]]:
    content = _content(root, name).decode("utf-8-sig")
    rows = [json.loads(line) for line in content.split("\n") if line.strip()]
    return [row for row in rows if row["gold_label"] != "-"]


def _content(root: Path, name: str) -> bytes:
    """Of the file itself where it lies unpacked, else out of the archive. Raises BadInput where it is in neither."""
    packed: bytes | None = None
    for path, content in release_files(root, (name,), lambda path: path.name.lower().startswith("mednli")):
        if path.name.lower() != name:
            continue
        if (root / path).is_file():
            return content
        packed = packed or content
    if packed is None:
        raise BadInput(name, f"is not below {root}", "download mednli 1.0.0 again")
    return packed
