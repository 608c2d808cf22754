"""ChemProt by sentence: the JSONL files of SciBERT, a sentence with two marked entities and their relation a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from clinpeft.errors import BadInput
from clinpeft.sources._strict_text import strict_lines
from clinpeft.sources.base import RawFiles, Source

Split = Literal["train", "validation", "test"]
FILES: dict[Split, str] = {"train": "train.jsonl", "validation": "dev.jsonl", "test": "test.jsonl"}
MARKS = {"head": re.compile(r"<< (.+?) >>", re.DOTALL), "tail": re.compile(r"\[\[ (.+?) \]\]", re.DOTALL)}
"""A mark is its brackets with the blank inside; chemical names hold bare `[[` and orders of potency bare `>>`."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence without its marks, the two places that were marked (start, end), and the relation."""

    line: int
    label: str
    head: tuple[int, int]
    """What stood in `<< >>`."""
    tail: tuple[int, int]
    """What stood in `[[ ]]`."""
    text: str = field(repr=False)


class ChemProt(Source):
    """`train.jsonl`, `dev.jsonl`, `test.jsonl` as SciBERT distributes them."""

    title: ClassVar[str] = "ChemProt by sentence (BioCreative VI): chemical-protein relations, SciBERT's JSONL files"
    release: ClassVar[str | None] = "scibert 06793f7 (2020-06-14)"
    folders: ClassVar[tuple[str, ...]] = ("chemprot_sentence", "chemprot")

    def is_here(self, folder: Path) -> bool:
        """Whether all three files are there."""
        return all((folder / name).is_file() for name in FILES.values())


def read_pairs(raw: RawFiles, split: Split) -> Iterator[Pair]:
    """The pairs of one split in file order, marks taken out.

    Raises BadInput with the line unless it is a JSON object with `text` and `label` and one mark of each sort.
    """
    path = raw.root / FILES[split]
    for number, line in strict_lines(raw, path):
        if not line:
            continue
        where = f"{path.name}: line {number}"
        try:
            row = json.loads(line)
            text, label = row["text"], row["label"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadInput(where, "is no JSON object with text and label", "download the file again") from None
        if not (isinstance(text, str) and isinstance(label, str) and label):
            raise BadInput(where, "text and label must be words", "download the file again")
        plain, head, tail = without_marks(text, where)
        yield Pair(number, label, head, tail, plain)


def without_marks(text: str, where: str) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """The sentence without marks, and the places of head and tail in it.

    Raises BadInput, naming `where`, unless there is exactly one `<< … >>` and one `[[ … ]]`, apart from each other.

    >>> without_marks("<< EGFR >> binds [[ gefitinib ]].", "line 1")
    ('EGFR binds gefitinib.', (0, 4), (11, 20))
    """
    found = []
    for sort, pattern in MARKS.items():
        matches = list(pattern.finditer(text))
        if len(matches) != 1:
            rule = f"holds {len(matches)} marks of the {sort} where one belongs"
            raise BadInput(where, rule, "mark the head << so >> and the tail [[ so ]]")
        found.append((matches[0].start(), matches[0].end(), sort))
    (start, end, first), (next_start, next_end, _) = sorted(found)
    if end > next_start:
        raise BadInput(where, "the marks of head and tail overlap", "mark two separate stretches")
    plain = text[:start] + text[start + 3 : end - 3] + text[end:next_start]
    places = [(start, end - 6), (next_start - 6, next_end - 12)]
    plain += text[next_start + 3 : next_end - 3] + text[next_end:]
    head, tail = places if first == "head" else reversed(places)
    return plain, head, tail
