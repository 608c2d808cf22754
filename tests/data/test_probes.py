"""What tells a label without reading is found, what does not is left alone, and a label named in its texts is seen."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from clinpeft.data.card import Card, Probe, Probes
from clinpeft.data.probes import probes_of
from clinpeft.data.summary import suspicions
from clinpeft.frozen import parse
from clinpeft.tasks.base import Example

NOTHING = Probes(told_by=(), named=())
WORDS = np.array(["the", "patient", "was", "seen", "today", "in", "clinic", "feels", "well", "with", "no", "fever"])


def notes(seed: int, number: int = 300, per_subject: int = 2) -> list[Example]:
    """Invented notes of 8 to 40 words whose label is drawn by chance."""
    draw = np.random.default_rng(seed)
    ids = draw.permutation(np.arange(10_000, 10_000 + number))
    return [
        Example(
            example=f"note-{ids[place]}",
            subject=f"s{place // per_subject}",
            document=f"d{place}",
            text=" ".join(draw.choice(WORDS, size=draw.integers(8, 40))),
            time=date(2020, 1, 1) + timedelta(days=int(draw.integers(1000))),
            label=("no", "yes")[int(draw.integers(2))],
        )
        for place in range(number)
    ]


def found(examples: list[Example]) -> dict[str, Probe]:
    probes = probes_of(examples, "classification")
    assert probes is not None
    return {probe.of: probe for probe in probes.told_by}


def labelled(examples: list[Example], is_yes: list[bool], noise: float = 0.1, seed: int = 0) -> list[Example]:
    """The label follows, but for a share that is turned round."""
    turned = np.random.default_rng(seed).random(len(examples)) < noise
    answers = np.array(is_yes) ^ turned
    return [replace(one, label="yes" if yes else "no") for one, yes in zip(examples, answers, strict=True)]


PLANTED = {
    "id": lambda rows: [int(row.example[-1]) % 2 == 0 for row in rows],
    "length": lambda rows: [len(row.text.split()) > 24 for row in rows],
    "date": lambda rows: [row.time > date(2021, 5, 1) for row in rows],
    "order": lambda rows: [place < len(rows) // 2 for place in range(len(rows))],
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_label_that_follows_something_else_than_the_text_is_flagged(planted: str) -> None:
    rows = notes(1)
    probes = found(labelled(rows, PLANTED[planted](rows)))

    assert {name for name, probe in probes.items() if probe.is_flagged} == {planted}
    assert probes[planted].auroc == pytest.approx(0.9, abs=0.05)


def test_labels_drawn_by_chance_are_not_flagged() -> None:
    probes = [probe for seed in range(25) for probe in found(notes(seed, number=120)).values()]

    assert len(probes) == 100
    assert sum(probe.is_flagged for probe in probes) == 0
    covered = sum((probe.low or 1) <= 0.5 for probe in probes)
    assert covered >= 95, "no more than one in twenty is taken for better than chance"


def test_a_lift_that_lengths_of_notes_bring_by_themselves_is_shown_and_not_flagged() -> None:
    rows = notes(3, number=1000)
    probe = found(labelled(rows, PLANTED["length"](rows), noise=0.4))["length"]

    assert probe.low is not None
    assert probe.low > 0.5
    assert not probe.is_flagged


def test_examples_of_one_subject_do_not_vouch_for_each_other() -> None:
    """Each subject has one label and one length: only its own examples would tell it."""
    draw = np.random.default_rng(0)
    labels, sizes = draw.integers(2, size=30), draw.permutation(30)
    rows = [
        replace(row, text=" ".join(["word"] * (10 + int(sizes[place // 20]))), label="ny"[int(labels[place // 20])])
        for place, row in enumerate(notes(0, number=600, per_subject=20))
    ]

    assert found(rows)["length"].num_subjects == 30
    assert not found(rows)["length"].is_flagged


def test_of_several_labels_the_most_frequent_are_told_from_the_rest() -> None:
    rows = notes(4, number=600)
    classes = [replace(row, label=f"class {min(len(row.text.split()) // 5, 6)}") for row in rows]
    both = [replace(row, labels=(row.label or "",), missing=("other",), label=None) for row in classes]
    single, several = found(classes)["length"], {p.of: p for p in (probes_of(both, "multilabel") or NOTHING).told_by}

    assert single.is_flagged
    assert several["length"].auroc == single.auroc


def test_too_few_examples_or_subjects_are_said_to_be() -> None:
    few = found(notes(0, number=99))["id"]
    crowd = found([replace(row, subject=f"s{place % 9}") for place, row in enumerate(notes(0))])["id"]
    alike = found([replace(row, label="yes" if place else "no") for place, row in enumerate(notes(0))])["id"]

    assert (few.auroc, few.reason) == (None, "fewer than 100 examples to train on")
    assert (crowd.auroc, crowd.reason) == (None, "fewer than 10 subjects to train on")
    assert alike.reason == "no label that 20 examples have and 20 lack"
    assert not few.is_flagged


def test_of_many_examples_whole_subjects_are_looked_at() -> None:
    rows = labelled(many := notes(5, number=6000, per_subject=50), PLANTED["id"](many))

    assert found(rows)["id"].num_subjects == 40
    assert found(rows)["id"].is_flagged


def test_entities_have_no_label_of_an_example() -> None:
    assert probes_of(notes(0), "entities") is None


def test_a_label_that_stands_in_its_own_texts_is_flagged() -> None:
    rows = notes(6)
    texts = [
        replace(
            row,
            label="Heart_failure" if place % 3 == 0 else "none",
            text=row.text + (" ... HEART failure." if place % 3 == 0 and place % 4 else ""),
        )
        for place, row in enumerate(rows)
    ]
    probes = probes_of(texts, "classification")
    assert probes is not None
    (named,) = probes.named

    assert (named.label, named.share, named.elsewhere) == ("Heart_failure", 0.75, 0.0)
    assert 0.6 < named.low < named.high < 0.9


@pytest.mark.parametrize("label", ["no", "fever", "well with", "§", "7"])
def test_a_label_whose_name_stands_everywhere_or_nowhere_is_not(label: str) -> None:
    rows = [replace(row, label=label if place % 2 else "otherwise") for place, row in enumerate(notes(7))]
    probes = probes_of(rows, "classification")

    assert probes is not None
    assert probes.named == ()


def test_a_name_is_looked_for_as_whole_words() -> None:
    rows = [
        replace(row, label="art" if place % 2 else "b", text=row.text + (" heart" if place % 2 else ""))
        for place, row in enumerate(notes(8))
    ]
    probes = probes_of(rows, "classification")

    assert probes is not None
    assert probes.named == ()


def test_a_card_holds_numbers_and_neither_ids_nor_texts(tmp_path: Path) -> None:
    from clinpeft.data.own import import_task
    from clinpeft.spec import TaskChoice

    lines = ["id,patient,note,outcome"]
    for place in range(400):
        answer = ("no", "yes")[place % 2]
        lines.append(f"{7_000_000 + place},MRN-{place // 2},zqxcanary number {place} was seen,{answer}")
    (tmp_path / "notes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    plain = {"name": "outcome", "kind": "classification", "files": {"data": "notes.csv"}, "split": {"folds": 0}}
    columns = {"id": "id", "text": "note", "label": "outcome", "subject": "patient"}
    dataset = import_task(TaskChoice.model_validate(plain | columns), tmp_path, tmp_path / "out")
    card = json.loads((dataset.folder / "card.json").read_text(encoding="utf-8"))

    assert [probe.of for probe in (dataset.card.probes or NOTHING).told_by if probe.is_flagged] == ["id"]
    assert set(card["probes"]["told_by"][0]) == {"of", "auroc", "low", "high", "num_subjects", "reason"}
    assert not any(secret in json.dumps(card) for secret in ("zqxcanary", "7000", "MRN"))
    assert list(suspicions(dataset.card)) == [
        "the label can be told from the examples' ids (AUROC 1.00 [1.00, 1.00]) without reading a word; the classes "
        "may have been gathered apart, and a model may learn that instead of the question"
    ]


def test_a_card_of_before_has_no_probes_and_says_nothing() -> None:
    golden = Path(__file__).parents[1] / "golden" / "schemas" / "card.json"
    plain = json.loads(golden.read_text(encoding="utf-8"))
    plain.pop("probes", None)
    card = parse(Card, plain, "card.json")

    assert card.probes is None
    assert list(suspicions(card)) == []
