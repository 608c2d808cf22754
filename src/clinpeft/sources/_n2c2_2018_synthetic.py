"""Invented n2c2 2018 releases: the two zip archives, with what makes the real ones hard to read."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.files import stopping_when_disk_is_full
from clinpeft.sources._canary import canary
from clinpeft.sources._n2c2_2018_documents import Invented, invent
from clinpeft.sources._zip_writing import write_zip
from clinpeft.sources.n2c2_2018 import TEST, TRAINING

QUIRKS_FROM = 10
"""Documents; smaller sets hold no planted quirks."""
TRAIN_SHARE = 0.6
_DAY = (2018, 9, 10)
"""Of every file in the archives."""


def write_release(out: Path, *, num_documents: int, seed: int) -> dict[str, float]:
    """Write the two archives to `out`; same arguments give the same bytes.

    Returns `best_f1` and `best_relation_f1`, which nobody can be expected to exceed, and the numbers of documents,
    entities and relations.
    """
    if num_documents < 1:
        raise BadInput("--patients", "must be at least 1")
    rng = random.Random(seed)
    documents = [invent(rng, number) for number in range(1, num_documents + 1)]
    num_train = round(TRAIN_SHARE * num_documents)
    if num_documents >= QUIRKS_FROM:
        _plant(documents[0], documents[1], documents[2])
        _plant(documents[num_train], documents[num_train + 1], documents[num_train + 2])
    names = sorted(rng.sample(range(100_000, 200_000), num_documents))
    rng.shuffle(names)
    out.mkdir(parents=True, exist_ok=True)
    with stopping_when_disk_is_full(out):
        training = _members(TRAINING[0], names[:num_train], documents[:num_train])
        write_zip(out / f"{TRAINING[0]}.zip", training, _DAY)
        write_zip(out / f"{TEST}.zip", _members("test", names[num_train:], documents[num_train:]), _DAY)
    mentions = [item for document in documents for item in document.mentions]
    heads = [document.mentions[number] for document in documents for number, _ in document.relations]
    return {
        "best_f1": sum(item.type == item.worded_type for item in mentions) / len(mentions),
        "best_relation_f1": sum(item.type == item.worded_type for item in heads) / max(1, len(heads)),
        "documents": num_documents,
        "entities": len(mentions),
        "relations": len(heads),
    }


def _members(folder: str, names: Iterable[int], documents: Iterable[Invented]) -> Iterator[tuple[str, bytes]]:
    """An archive's folder, its files, and what macOS adds to archives."""
    yield f"{folder}/", b""
    yield f"{folder}/.DS_Store", b"\0\0\0\1Bud1"
    for name, document in zip(names, documents, strict=True):
        yield f"{folder}/{name}.ann", document.ann().encode()
        yield f"{folder}/{name}.txt", document.text.encode()
        yield f"__MACOSX/{folder}/._{name}.txt", b"\0\5\x16\7Mac OS X"


def _plant(first: Invented, second: Invented, third: Invented) -> None:
    """The quirks of the real files, one group a document."""
    _plant_pieces(first)
    _plant_overlaps(second)
    _plant_stray_lines(third)


def _plant_pieces(document: Invented) -> None:
    """A mention of three pieces, and letters beyond ASCII in front of others."""
    document.text += (
        "\nAllerg\u00eda \u2013 tolerated low\ndose oral\ncolchicine taper \u00b5g/kg by the na\u00efve nurse\n"
    )
    document.mark("low dose oral colchicine taper", "Drug")


def _plant_overlaps(document: Invented) -> None:
    """A drug inside an adverse event, one mention with two types, and a relation across many sentences."""
    document.text += "\nSteroid-induced hyperglycemia was seen. Chemotherapy was given.\n"
    event = document.mark("Steroid-induced hyperglycemia", "ADE")
    steroid = document.mark("Steroid", "Drug")
    document.relations.append((event, steroid))
    document.mark("Chemotherapy", "Drug")
    document.mark("Chemotherapy", "Reason")
    first_drug = next(number for number, item in enumerate(document.mentions) if item.type == "Drug")
    document.relations.append((event, first_drug))


def _plant_stray_lines(document: Invented) -> None:
    """Mentions whose text goes on on the next line of the `.ann` file, a sign that cannot be seen, and a note."""
    document.is_continued = True
    document.text += "\nHe was told to take his Calcium\nCarbonate with meals.\n"
    document.mark("Calcium Carbonate", "Drug")
    document.notes += ["\x1c", f"#1\tAnnotatorNotes T1\tsee {canary(document.number)}"]
