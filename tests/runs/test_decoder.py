"""A decoder, from its files to a record: SmolLM2 with LoRA reads texts off their last piece and tags words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from clinpeft.models.catalogue import find_weights, model_card
from clinpeft.record import RunRecord

MODEL = "smollm2-135m-instruct"
FINDINGS = {
    "lung": ("cough", "wheezing", "dyspnea", "sputum", "bronchitis", "pneumonia", "asthma", "rales", "hypoxia"),
    "heart": ("angina", "palpitations", "murmur", "infarction", "arrhythmia", "tachycardia", "tamponade"),
}
DRUGS = (
    *("aspirin", "insulin", "heparin", "warfarin", "metformin", "lisinopril", "atorvastatin", "amoxicillin"),
    *("ibuprofen", "prednisone", "furosemide", "digoxin", "omeprazole", "gabapentin", "sertraline", "morphine"),
)


@pytest.mark.slow
@pytest.mark.skipif(
    find_weights(model_card(MODEL)) is None,
    reason=f"no weights of {MODEL}: set CLINPEFT_MODELS to a folder that has them in 'smollm2'",
)
@pytest.mark.parametrize("kind", ["classification", "entities"])
def test_a_decoder_learns_with_lora(kind: str, tmp_path: Path) -> None:
    task = write_notes(tmp_path) if kind == "classification" else write_sentences(tmp_path)
    study = {
        "name": "decoder",
        "test": "open",
        "tasks": [task],
        "models": [MODEL],
        "methods": ["lora"],
        "baselines": ["majority"],
        "seeds": [0],
        "train": {"epochs": 3, "batch_size": 8, "max_length": 128},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")

    records = run(tmp_path)

    # One word of a text tells its class, and the drugs of the test are those of the training texts.
    majority, lora = (score(records[name]) for name in ("majority", "lora"))
    assert lora > 0.9 > majority + 0.2
    assert records["lora"].truncated["train"].examples == 0


def run(folder: Path) -> dict[str, RunRecord]:
    from clinpeft import api
    from clinpeft.runs.store import Store

    assert api.run(folder / "study.yaml", folder / "out").num_failed == 0
    return {record.spec.method.name: record for record in Store.open(folder / "out").records()}


def score(record: RunRecord) -> float:
    """Of the task's own metric, on the validation texts."""
    value = next(iter(record.scores.values())).value
    assert value is not None
    return value


def write_notes(folder: Path) -> dict[str, object]:
    """240 texts of a patient each, half of them about the lung."""
    draw = random.Random(0)
    lines = ["patient,note,organ"]
    for number in range(240):
        organ = ("lung", "heart")[number % 2]
        finding = draw.choice(FINDINGS[organ])
        age, days = draw.randrange(20, 90), draw.randrange(2, 20)
        lines.append(f"{number},A {age} year old patient with {finding} for {days} days and no fever.,{organ}")
    (folder / "notes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = {"data": "notes.csv"}
    split = {"folds": 0, "fractions": [0.6, 0.2, 0.2]}
    return {
        "name": "organ",
        "kind": "classification",
        "files": files,
        "text": "note",
        "label": "organ",
        "positive": "lung",
        "subject": "patient",
        "split": split,
    }


def write_sentences(folder: Path) -> dict[str, object]:
    """240 sentences, each a document; the drugs are tagged."""
    draw = random.Random(0)
    lines = []
    for number in range(240):
        first, second = draw.sample(DRUGS, 2)
        dose = draw.randrange(1, 9)
        words = f"She was given {first} {dose} mg daily and later {second} because of pain .".split()
        tags = ["B-drug" if word in (first, second) else "O" for word in words]
        lines += [f"-DOCSTART- (n{number})", "", *(f"{word} {tag}" for word, tag in zip(words, tags, strict=True)), ""]
    (folder / "drugs.conll").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {
        "name": "drugs",
        "kind": "entities",
        "files": {"data": "drugs.conll"},
        "split": {"folds": 0, "fractions": [0.6, 0.2, 0.2]},
    }
