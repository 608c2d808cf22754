"""A dataset against its raw files, read a second time by a parser that shares no code with the builder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from clinpeft.data.card import SourceUse
from clinpeft.data.checks import labels_of
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.site import hashed_id, site_key, site_key_path
from clinpeft.errors import BadInput, GateRefused
from clinpeft.files import sha256_file
from clinpeft.recount import Recounted, parser_of
from clinpeft.sources.base import SOURCES
from clinpeft.tasks.base import Example, Span

SplitName = Literal["train", "validation", "test"]
SHOWN_IDS = 5
"""Of each kind of difference; ids are keyed hashes."""


@dataclass
class Comparison:
    """What the builder and the second parser say of the same raw files."""

    built: Counter[str] = field(default_factory=Counter)
    """Examples (for entities: spans) per label in the dataset."""
    recounted: Counter[str] = field(default_factory=Counter)
    """The same by the second parser, of the examples that the dataset holds."""
    num_examples: int = 0
    num_texts: int = 0
    """Examples whose text was compared too."""
    num_spans: int = 0
    """Entities, heads and tails whose offsets were compared too."""
    num_splits: int = 0
    """Examples of which it was compared too where they stand."""
    num_left_out: int = 0
    """Examples that the second parser finds and the dataset lacks."""
    differences: dict[str, list[str]] = field(default_factory=dict)
    """Hashed ids by kind of difference."""

    def add(self, kind: str, id_: str) -> None:
        """Note a difference."""
        self.differences.setdefault(kind, []).append(id_)

    def lines(self) -> list[str]:
        """A table, one line a label, and what was compared."""
        labels = sorted({*self.built, *self.recounted})
        width = max(map(len, [*labels, "label"]))
        rows = [
            f"{label:<{width}}  {self.built[label]:>9,}  {self.recounted[label]:>9,}  "
            + ("agrees" if self.built[label] == self.recounted[label] else "DIFFERS")
            for label in labels
        ]
        texts = f"{self.num_texts:,} texts" if self.num_texts else "no texts"
        spans = f", the offsets of {self.num_spans:,} mentions" if self.num_spans else ""
        splits = f", the splits of {self.num_splits:,}" if self.num_splits else ""
        return [
            f"{'label':<{width}}  {'builder':>9}  {'recount':>9}",
            *rows,
            f"{self.num_examples:,} examples{splits}{spans} and {texts} compared; "
            f"{self.num_left_out:,} more in the raw files",
        ]

    def problem(self) -> str | None:
        """The differences in one line, or None without any."""
        kinds = [f"{len(ids):,} {kind}{_shown(ids)}" for kind, ids in self.differences.items()]
        return f"the second parser disagrees: {'; '.join(kinds)}" if kinds else None


def compare_with_raw(dataset: TaskDataset, raw: Path, outside: Mapping[str, str] | None = None) -> Comparison:
    """Every example of the dataset against the second parser of its source, which reads `raw` (or a folder in it).

    outside: options that name files outside the raw folder, which a card does not record, as `core_split_dir`.
    Of what the dataset lacks, only the number is compared, with what its card says left train as copies; of a dataset
    made with a limit nothing. Raises BadInput when the source has no second parser, or these are other raw files than
    the dataset was built from; GateRefused when no id agrees.
    """
    card, outside = dataset.card, outside or {}
    use = card.sources[0]
    parser = parser_of(use.name)
    if parser is None:
        raise BadInput(f"source '{use.name}'", "has no second parser", "leave out --raw to compare the files alone")
    root = SOURCES.get(use.name)().find(raw)
    if root is None:
        raise BadInput(str(raw), f"holds no raw files of source '{use.name}'", "give the folder it was built from")
    _refuse_other_files(use, root, outside)
    options = {**card.options, "mode": card.mode, **outside}
    return _compare(dataset, parser(card.name, root, options))


def _refuse_other_files(use: SourceUse, root: Path, outside: Mapping[str, str]) -> None:
    for file in use.files:
        path = _place(file.path, root, outside)
        if path is None or not path.is_file():
            option = PurePosixPath(file.path).parts[0]
            raise BadInput(
                file.path,
                f"is not in {root}, and the dataset was built from it",
                f"give the folder it was built from; a file outside it is named by --set {option}=PATH",
            )
        if path.stat().st_size != file.bytes or sha256_file(path) != file.sha256:
            raise BadInput(str(path), "is not the file that the dataset was built from", "build the dataset again")


def _place(name: str, root: Path, outside: Mapping[str, str]) -> Path | None:
    """Where a file of the card lies: below the raw folder, or where an option says."""
    option, *rest = PurePosixPath(name).parts
    if option not in outside or not rest:
        return root / name
    place = Path(outside[option])
    if place.is_file():
        return place
    found = sorted(place.rglob(rest[-1])) if place.is_dir() else []
    return found[0] if len(found) == 1 else None


def _compare(dataset: TaskDataset, recounted: Iterable[Recounted]) -> Comparison:
    card, found = dataset.card, Comparison()
    built = _built(dataset, found)
    key, seen = _site_key(), set[str]()
    left_out = []
    for one in recounted:
        id_ = hashed_id(key, "example", card.sources[0].name, one.example)
        if id_ in seen:
            found.add("that the raw files hold twice", id_)
        elif id_ not in built:
            left_out.append(id_)
        else:
            _compare_example(id_, one, built[id_], found)
        seen.add(id_)
    if not seen & built.keys():
        raise GateRefused(
            f"{dataset.folder}: none of its examples is among the {len(seen):,} of the raw files; was it built with "
            "another site key (see CLINPEFT_SITE_KEY)?"
        )
    for id_ in sorted(built.keys() - seen):
        found.add("that the raw files do not hold", id_)
    found.num_left_out = len(left_out)
    if "limit" not in card.options and len(left_out) != card.duplicates.dropped:
        kind = f"left out where the card says {card.duplicates.dropped:,}"
        found.differences[kind] = sorted(left_out)
    return found


@dataclass(frozen=True, slots=True)
class _Built:
    """What is compared of an example of the dataset."""

    labels: tuple[str, ...]
    """Sorted."""
    text: bytes
    """Its digest."""
    spans: tuple[tuple[int, int, str], ...]
    """Entities in order of the text, or head and tail."""
    split: SplitName


def _compare_example(id_: str, one: Recounted, built: _Built, found: Comparison) -> None:
    found.recounted.update(one.labels)
    if tuple(sorted(one.labels)) != built.labels:
        found.add("with other labels", id_)
    if one.spans is not None:
        found.num_spans += len(one.spans)
        if one.spans != built.spans:
            found.add("with other offsets", id_)
    if one.split is not None:
        found.num_splits += 1
        if one.split != built.split:
            found.add("in another split", id_)
    if one.text is not None:
        found.num_texts += 1
        if _digest(one.text, one.text_b) != built.text:
            found.add("with another text", id_)


def _built(dataset: TaskDataset, found: Comparison) -> dict[str, _Built]:
    """Every example by hashed id."""
    built = {}
    for split in get_args(SplitName):
        for example in dataset.examples(split):
            labels = labels_of(example, dataset.card.kind)
            found.built.update(labels)
            text = _digest(example.text, example.text_b)
            built[example.example] = _Built(tuple(sorted(labels)), text, _spans(example), split)
    found.num_examples = len(built)
    return built


def _spans(example: Example) -> tuple[tuple[int, int, str], ...]:
    arguments = [span for span in (example.head, example.tail) if span is not None]
    return tuple((span.start, span.end, span.label) for span in arguments or sorted(example.spans, key=_place_in_text))


def _place_in_text(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label


def _site_key() -> bytes:
    if not site_key_path().exists():
        raise BadInput(str(site_key_path()), "is not there", "ids are compared under the key of the site that built")
    return site_key()


def _digest(text: str, text_b: str | None) -> bytes:
    both = text if text_b is None else f"{text}\0{text_b}"  # no text holds NUL
    return hashlib.sha256(both.encode("utf-8", "surrogatepass")).digest()


def _shown(ids: list[str]) -> str:
    return f" ({', '.join(ids[:SHOWN_IDS])}{', …' if len(ids) > SHOWN_IDS else ''})" if ids else ""
