"""Invented MedNLI releases: the zip archive of PhysioNet with its three files."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.files import stopping_when_disk_is_full
from clinpeft.sources._canary import canary
from clinpeft.sources._zip_writing import write_zip
from clinpeft.sources.mednli import FILES, FOLDER, LABELS

SWAPPED = 0.09
"""Share of premises of which two hypotheses have each other's label: the best expected accuracy is 0.94."""
SHARES = {"validation": 0.1, "test": 0.1}
LICENSE = "The PhysioNet Credentialed Health Data License\n(An invented release: no real patient's text is in it.)\n"
_DAY = (2019, 11, 20)
"""Of every file in the archive."""
PROBLEMS = (
    *("hypertension", "diabetes mellitus type 2", "atrial fibrillation", "chronic renal insufficiency", "asthma"),
    *(
        "coronary artery disease",
        "hypothyroidism",
        "COPD",
        "gout",
        "depression",
        "seizure disorder",
        "Crohn\u2019s disease",
    ),
    *("osteoporosis", "iron deficiency anemia", "peripheral vascular disease", "hepatitis C", "breast cancer"),
)
PREMISES = (
    "{mark}: {problem}, diagnosed [**2139**].",
    "{mark} is a 63 yo with a history of {problem} s/p treatment.",
    '{problem} - "stable" on medication ({mark}).',
    "Past medical history of {mark} is notable for {problem}\u2028and tobacco use.",
    "{mark} was admitted for {problem} in [**10-12**].",
)
HYPOTHESES = {
    "entailment": (" Patient has {problem}", "The patient has a history of {problem}.", "{problem} was found"),
    "contradiction": ("The patient has no {problem}", "Patient denies any {problem}", "The patient is healthy."),
    "neutral": (
        "The patient has a family history of {problem}",
        "Patient may need surgery",
        "the patient is a veteran",
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file, and the label that its wording says."""

    line: str = field(repr=False)
    label: str
    worded_label: str


def write_release(out: Path, *, num_premises: int, seed: int) -> dict[str, float]:
    """Write the archive to `out`; same arguments give the same bytes.

    Returns `best_accuracy`, which nobody can be expected to exceed, and the numbers of premises and pairs.
    """
    if num_premises < len(FILES):
        raise BadInput("--patients", f"must be at least {len(FILES)}", "each split needs a premise")
    rng = random.Random(seed)
    premises = [_pairs(rng, number) for number in range(1, num_premises + 1)]
    held_out = {split: max(1, round(share * num_premises)) for split, share in SHARES.items()}
    contents: dict[str, bytes] = {}
    done = 0
    for split, name in FILES.items():
        num = held_out.get(split, num_premises - sum(held_out.values()))
        rows = [row.line for pairs in premises[done : done + num] for row in pairs]
        contents[name] = "".join(f"{row}\n" for row in rows).encode()
        done += num
    out.mkdir(parents=True, exist_ok=True)
    with stopping_when_disk_is_full(out):
        write_zip(out / f"{FOLDER}.zip", _members(contents), _DAY)
    everything = [row for pairs in premises for row in pairs]
    num_right = sum(row.label == row.worded_label for row in everything)
    return {
        "best_accuracy": num_right / len(everything),
        "premises": num_premises,
        "pairs": len(everything),
    }


def _pairs(rng: random.Random, number: int) -> list[Row]:
    """The three pairs of a premise, one of each class, in any order."""
    problem = rng.choice(PROBLEMS)
    premise = rng.choice(PREMISES).format(mark=canary(number), problem=problem)
    labels = list(LABELS)
    if rng.random() < SWAPPED:
        first, second = rng.sample(range(len(labels)), 2)
        labels[first], labels[second] = labels[second], labels[first]
    rows = []
    for label, worded in zip(labels, LABELS, strict=True):
        hypothesis = rng.choice(HYPOTHESES[worded]).format(problem=problem)
        rows.append(Row(_line(rng, label, premise, hypothesis), label, worded))
    rng.shuffle(rows)
    return rows


def _line(rng: random.Random, label: str, premise: str, hypothesis: str) -> str:
    row = {
        "sentence1": premise,
        "pairID": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "sentence1_parse": _parse(premise),
        "sentence1_binary_parse": _binary_parse(premise),
        "sentence2": hypothesis,
        "sentence2_parse": _parse(hypothesis),
        "sentence2_binary_parse": _binary_parse(hypothesis),
        "gold_label": label,
    }
    return json.dumps(row, ensure_ascii=False)


def _parse(sentence: str) -> str:
    """A tree as flat as can be: nobody reads it."""
    return f"(ROOT (FRAG {' '.join(f'(NN {word})' for word in sentence.split())}))"


def _binary_parse(sentence: str) -> str:
    *words, last = sentence.split()
    return "".join(f"( {word} " for word in words) + last + " )" * len(words)


def _members(contents: dict[str, bytes]) -> list[tuple[str, bytes]]:
    sums = "".join(f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in contents.items())
    files = {"LICENSE.txt": LICENSE.encode(), "SHA256SUMS.txt": sums.encode(), **contents}
    return [(f"{FOLDER}/{name}", content) for name, content in files.items()]
