"""MedNLI: sentences of MIMIC-III notes, each with a sentence that follows, contradicts or does neither."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, files_below
from clinpeft.sources._checksums import check_sum_of
from clinpeft.sources._damage import decoded
from clinpeft.sources._json_lines import json_object
from clinpeft.sources._positions import listed
from clinpeft.sources.base import RawFiles, Source

Split = Literal["train", "validation", "test"]
Label = Literal["contradiction", "entailment", "neutral"]
LABELS: tuple[Label, ...] = get_args(Label)
NO_LABEL = "-"
"""Of a pair on which the annotators did not agree; the release is said to hold none."""
FOLDER = "mednli-a-natural-language-inference-dataset-for-the-clinical-domain-1.0.0"
FILES: dict[Split, str] = {"train": "mli_train_v1.jsonl", "validation": "mli_dev_v1.jsonl", "test": "mli_test_v1.jsonl"}
LARGEST_FILE = 128 << 20
"""Bytes; each line holds two parses of both sentences, and train some ten million characters."""


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A premise, a hypothesis, and what the first says of the second; None where the annotators did not agree."""

    id: str
    line: int
    label: Label | None
    premise: str = field(repr=False)
    hypothesis: str = field(repr=False)


class MedNli(Source):
    """The zip archive of PhysioNet (`mednli/1.0.0`), packed or unpacked, or the three files of it."""

    title: ClassVar[str] = "MedNLI: inference between sentences of clinical notes"
    release: ClassVar[str | None] = "1.0.0"
    usual_patients: ClassVar[int] = 400
    folders: ClassVar[tuple[str, ...]] = tuple(
        f"{above}{name}"
        for above in ("", "mednli/")
        for name in ("mednli", "1.0.0", FOLDER, "physionet.org/files/mednli/1.0.0")
    )

    def is_here(self, folder: Path) -> bool:
        """The archive or its first file."""
        return any(entry.name.lower() in {f"{FOLDER}.zip", FILES["train"]} for entry in folder.iterdir())

    def synthesize(self, out: Path, *, num_patients: int = 100, seed: int) -> dict[str, float]:
        """Invented premises (one a patient) with three hypotheses each, in the zip archive; nobody can be expected to
        label more than the share `best_accuracy` right."""
        from clinpeft.sources._mednli_synthetic import write_release

        return write_release(out, num_premises=num_patients, seed=seed)


def find_files(raw: RawFiles, *, allow_modified: bool = False) -> dict[Split, RawText]:
    """The three files. Raises BadInput when one is missing, lies there twice or, unless `allow_modified`, differs from
    the release's checksum."""
    wanted = {name: split for split, name in FILES.items()}
    found: dict[Split, RawText] = {}
    for file in files_below(raw, (".jsonl",), (FOLDER,), (), largest=LARGEST_FILE):
        split = wanted.get(file.path.lower().rpartition("/")[2])
        if split in found:
            raise BadInput(file.path, f"stands twice, also as {found[split].path}", "keep one of them")
        if split is not None:
            found[split] = file
    for split, name in FILES.items():
        if split not in found:
            raise BadInput(name, f"is neither below {raw.root} nor in {FOLDER}.zip", "download mednli 1.0.0 again")
        if not allow_modified:
            check_sum_of(raw, found[split])
    return {split: found[split] for split in FILES}


def read_pairs(file: RawText) -> Iterator[SentencePair]:
    """The pairs of one file in its order; blank lines are passed over.

    Raises BadInput with the line for what is no JSON object of the release: a key missing, given twice or no text, an
    empty sentence, an unknown label, an id that stood before.
    """
    lines_by_id: dict[str, int] = {}
    content = decoded(file.content.removeprefix(b"\xef\xbb\xbf"), file.path)
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        pair = _pair(f"{file.path}, line {number}", number, json_object(f"{file.path}, line {number}", line))
        if (before := lines_by_id.setdefault(pair.id, number)) != number:
            rule = "give the same pairID: a pair has one label"
            raise BadInput(f"{file.path}, {listed('line', [before, number])}", rule, "download mednli 1.0.0 again")
        yield pair


def premise_key(premise: str) -> str:
    """What stands for the patient, whom nothing names: SHA-1 of the premise, 40 hex digits."""
    return hashlib.sha1(premise.encode(), usedforsecurity=False).hexdigest()


def _pair(where: str, number: int, row: dict[str, Any]) -> SentencePair:
    texts = []
    for key in ("pairID", "gold_label", "sentence1", "sentence2"):
        if key not in row:
            raise BadInput(where, f"has no key '{key}'", "is this a file of mednli 1.0.0?")
        if not isinstance(row[key], str):
            raise BadInput(where, f"'{key}' is no text", "download mednli 1.0.0 again")
        if not row[key].strip():
            raise BadInput(where, f"'{key}' is empty", "download mednli 1.0.0 again")
        texts.append(row[key])
    id_, gold, premise, hypothesis = texts
    label = next((label for label in LABELS if label == gold), None)
    if label is None and gold != NO_LABEL:
        raise BadInput(where, f"'gold_label' is none of {', '.join(LABELS)}", "download mednli 1.0.0 again")
    return SentencePair(id_, number, label, premise, hypothesis)
