"""Invented i2b2/VA 2010 releases: the three archives, with what makes the real ones hard to read."""

from __future__ import annotations

import random
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.files import stopping_when_disk_is_full
from clinpeft.sources._canary import canary
from clinpeft.sources._i2b2_2010_annotations import ConceptType
from clinpeft.sources._i2b2_2010_documents import (
    FLIPPED,
    Invented,
    best_relation_f1,
    blur_assertions,
    invent,
    mention,
    write_sentence,
)
from clinpeft.sources._i2b2_2010_phrases import Template
from clinpeft.sources._tar_writing import write_tar_gz
from clinpeft.sources.i2b2_2010 import ARCHIVES

QUIRKS_FROM = 10
"""Documents; smaller sets hold no planted quirks."""
TRAIN_SHARE, BETH_SHARE = 0.6, 73 / 170


def write_release(out: Path, *, num_documents: int, seed: int) -> dict[str, float]:
    """Write the three archives to `out`; same arguments give the same bytes.

    Returns `best_f1`, which nobody's strict entity F1 can be expected to exceed, `best_assertion_accuracy` and
    `best_relation_f1`, likewise, and the numbers of documents, lines, concepts and relations.
    """
    if num_documents < 1:
        raise BadInput("--patients", "must be at least 1")
    rng = random.Random(seed)
    documents = [invent(rng, number) for number in range(1, num_documents + 1)]
    best_f1_of_relations = best_relation_f1(documents)
    num_train = round(TRAIN_SHARE * num_documents)
    num_beth = round(BETH_SHARE * num_train)
    if num_documents >= QUIRKS_FROM:
        _plant(documents, num_beth, num_train, rng)
    # Apart from the other random choices, so that texts and concepts of a seed stay what they were.
    blur = random.Random(f"assertions {seed}")
    for document in documents:
        blur_assertions(document, blur)
    names = _names(rng, num_documents, num_beth, num_train)
    with stopping_when_disk_is_full(out):
        for archive, files in _archives(documents, names, num_beth, num_train).items():
            write_tar_gz(out / f"{archive}.tar.gz", sorted(files.items()))
    return {
        "best_f1": 1 - FLIPPED,
        "best_assertion_accuracy": 1 - FLIPPED,
        "best_relation_f1": best_f1_of_relations,
        "documents": num_documents,
        "lines": sum(len(document.lines) for document in documents),
        "concepts": sum(len(document.mentions) for document in documents),
        "relations": sum(len(document.relations) for document in documents),
    }


def _names(rng: random.Random, num_documents: int, num_beth: int, num_train: int) -> list[str]:
    beth = [f"record-{number}" for number in range(10, 10 + num_beth)]
    partners = [f"{number:09d}" for number in rng.sample(range(10**6, 10**9), num_train - num_beth)]
    return [*beth, *partners, *(f"{number:04d}" for number in range(1, 1 + num_documents - num_train))]


def _archives(
    documents: list[Invented], names: list[str], num_beth: int, num_train: int
) -> dict[str, dict[str, bytes]]:
    """The files of each archive by their path in it."""
    training, reference, test = (dict[str, bytes]() for _ in ARCHIVES)
    for name, document in zip(names, documents, strict=True):
        if document.number > num_train:
            test[f"{ARCHIVES[2]}/{name}.txt"] = document.text()
            reference.update(_annotations(document, name, ARCHIVES[1], "concepts"))
        else:
            folder = f"{ARCHIVES[0]}/{'beth' if document.number <= num_beth else 'partners'}"
            training[f"{folder}/txt/{name}.txt"] = document.text()
            training.update(_annotations(document, name, folder, "concept"))
    stray = f"Not annotated {canary(len(documents) + 1)} .\n"
    training[f"{ARCHIVES[0]}/partners/unannotated/999.txt"] = stray.encode()
    return dict(zip(ARCHIVES, (training, reference, test), strict=True))


def _annotations(document: Invented, name: str, folder: str, concepts: str) -> dict[str, bytes]:
    return {
        f"{folder}/{concepts}/{name}.con": document.con(),
        f"{folder}/ast/{name}.ast": document.ast(),
        f"{folder}/rel/{name}.rel": document.rel(),
    }


def _plant(documents: list[Invented], num_beth: int, num_train: int, rng: random.Random) -> None:
    """Each quirk into a training document and into a test document."""
    _plant_blanks(documents[0], rng)
    _plant_concepts(documents[1], rng)
    _plant_relations(documents[2], rng)
    documents[num_beth].line_end = "\r\n"
    documents[num_beth + 1].has_final_line_end = False
    _plant_blanks(documents[num_train], rng)
    _plant_concepts(documents[num_train + 1], rng)
    documents[num_train + 2].line_end = "\r\n"
    documents[num_train + 2].relations.clear()
    documents[num_train + 3].encoding = "cp1252"
    _add(documents[num_train + 3], rng, "The patient\u2019s wound looked clean .")


def _plant_blanks(document: Invented, rng: random.Random) -> None:
    """A leading blank, double blanks, a tab, a form feed, and a letter beyond ASCII."""
    _add(document, rng, " He was given lasix for edema .", (4, 4, "treatment"), (6, 6, "problem"))
    _add(document, rng, "He  had   severe chest pain\tat rest .", (2, 4, "problem"))
    _add(document, rng, "\x0cPAGE 2 of the chart")
    _add(document, rng, "Na\u00efve to warfarin , INR 1.1 .", (2, 2, "treatment"), (4, 4, "test"))


def _plant_concepts(document: Invented, rng: random.Random) -> None:
    """Quotes in a concept, one on the last token, two that follow each other, overlapping and repeated ones."""
    _add(document, rng, 'She reported a " heavy " feeling', (2, 6, "problem"))
    _add(document, rng, "fever chills aspirin", (0, 0, "problem"), (1, 1, "problem"), (2, 2, "treatment"))
    _add(document, rng, "Known severe left knee pain today .", (1, 4, "problem"), (3, 4, "problem"))
    document.mentions.append(document.mentions[0])
    document.mentions.reverse()


def _plant_relations(document: Invented, rng: random.Random) -> None:
    """Two relations on one pair, and one whose argument is not among the concepts."""
    heparin, clot = write_sentence(document, rng, Template("{t} was given for {p:present} ."))
    document.relations.extend([(heparin, "TrAP", clot), (heparin, "TrIP", clot)])
    stray = mention(rng, heparin.line, heparin.last + 1, heparin.last + 1, "treatment")
    document.relations.append((stray, "TrAP", clot))


def _add(document: Invented, rng: random.Random, line: str, *concepts: tuple[int, int, ConceptType]) -> None:
    document.lines.append(line)
    number = len(document.lines)
    document.mentions.extend(mention(rng, number, first, last, kind) for first, last, kind in concepts)
