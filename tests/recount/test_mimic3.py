"""The second parser of MIMIC-III says the same as the builder of odd notes and cells, and as was worked out by hand."""

import csv
import io
import pickle
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.recount import parser_of
from clinpeft.recount.mimic3 import _without_death
from clinpeft.sources.base import RawFiles
from clinpeft.tasks._death_in_hospital import without_death_phrases
from clinpeft.tasks.base import TASKS, BuildLog

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
HINDSIGHT = {"text": "full", "allow_hindsight": True}


def both(name, folder, **options):
    task = TASKS.get(name)(**options)
    examples = list(task.examples(RawFiles(folder), BuildLog()))
    built = [(example.example, example.labels or (example.label,), example.text) for example in examples]
    recount = parser_of("mimic3")
    assert recount is not None
    again = [(one.example, one.labels, one.text) for one in recount(name, folder, task.model_dump())]
    return built, again


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("PHYSICAL EXAM: pt had\texpired.", "PHYSICAL EXAM: ."),
        ("PHYSICAL EXAM: see MEDICATION ON ADMISSION: pt died, pt died", None),
        ("PHYSICAL EXAM: pt died\nMedication on admission: x died", "PHYSICAL EXAM: \nMedication on admission: x"),
        ("PRESENT ILLNESS: pt had\nexpired", None),
    ],
)
def test_deaths_are_cut_as_by_hand(text, kept):
    assert _without_death(text) == without_death_phrases(text) == kept


DEATHS = st.sampled_from(
    [
        *("PHYSICAL EXAM:", "Medication on Admission:", "FAMILY HISTORY:", "patient", "pt", " ", "\t", "\n", " had "),
        *("expired", " died", " has\tdeceased", "passed away", "he expired", "time of death", "x"),
    ]
)


@given(st.lists(DEATHS, max_size=12).map("".join))
def test_deaths_are_cut_as_by_the_builder(text):
    assert _without_death(text) == without_death_phrases(text)


@pytest.mark.parametrize("name", ["mimic3-mortality", "mimic3-length-of-stay"])
def test_flags_that_became_decimals_and_times_with_a_zone_are_read_alike(name, tmp_path):
    shutil.copytree(GOLDEN / "mimic3-length-of-stay/in", tmp_path / "raw")
    path = tmp_path / "raw/ADMISSIONS.csv"
    text = path.read_text().replace(",0,1\n", ",0.0,1\n").replace("2101-03-01 10:00:00", "2101-03-01")
    path.write_text(text.replace("2104-03-08 10:00:00", "2104-03-08 10:00:00 UTC"))
    built, again = both(name, tmp_path / "raw")
    assert built == again
    assert len(built) == {"mimic3-mortality": 9, "mimic3-length-of-stay": 7}[name]


@pytest.mark.parametrize(
    "labels",
    [
        {401: [True, "Train "], 402: [0, "VAL"], 403: [1.0, "test"], 404: ["0", "train"]},
        {"401": ["1", "train"], "402": ("0", "validation"), "403.0": (1, "test"), "404": (0, "train")},
    ],
)
def test_odd_spellings_of_labels_are_read_alike(labels, tmp_path):
    shutil.copytree(GOLDEN / "mimic3-ventilation/in", tmp_path / "raw")
    (tmp_path / "raw/pmv_labels.csv").unlink()
    (tmp_path / "raw/PMV_LABELS.PKL").write_bytes(pickle.dumps(labels))
    built, again = both("mimic3-ventilation", tmp_path / "raw")
    assert built == again
    assert [(example, *of) for example, of, _ in built] == [
        *(("401", "over 7 days"), ("402", "up to 7 days"), ("403", "over 7 days"))
    ]


PIECES = (
    *("Chief Complaint:", "CHIEF COMPLAINT:", "Past Medical History:", "Physical Exam:", "PHYSICAL EXAMINATION:"),
    *("Medications on Admission: a", "Service: S", "1. b: c", "(d): e", "Gen: NAD", "f", " ", "\t", "\r\n", "é"),
    *("\n", "\n\n", "\n\n", "\n\n", "\n\n\n", "\n \n", "\\n\\nG:", "patient died", " pt had expired", "ALLERGIEſ: g"),
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """1,200 admissions with notes put together at random, some of them copies of each other."""
    folder, rng = tmp_path_factory.mktemp("odd"), random.Random(7)
    admissions, notes = io.StringIO(newline=""), io.StringIO(newline="")
    header = (GOLDEN / "mimic3-mortality/in/ADMISSIONS.csv").read_text().split("\n")[0]
    admissions.write(header + "\n")
    notes.write((GOLDEN / "mimic3-mortality/in/NOTEEVENTS.csv").read_text().split("\n")[0] + "\n")
    writer, row = csv.writer(notes, lineterminator="\n"), 0
    for hadm in range(1, 1_201):
        kind = "NEWBORN" if hadm % 10 == 0 else "URGENT"
        admissions.write(
            f"{hadm},{hadm // 2},{hadm},2150-01-01 00:00:00,2150-01-05 00:00:00,,{kind},,,,,,,,,,,{hadm % 2},1\n"
        )
        for _ in range(rng.randint(1, 3)):
            row += 1
            text = "".join(rng.choice(PIECES) for _ in range(rng.choice((3, 20))))
            described = rng.choice(("Report", "Report", "Addendum"))
            day = f"2150-01-0{rng.randint(1, 9)}"
            writer.writerow((row, hadm // 2, hadm, day, "", "", "Discharge summary", described, "", "", text))
    (folder / "ADMISSIONS.csv").write_text(admissions.getvalue(), newline="")
    (folder / "NOTEEVENTS.csv").write_text(notes.getvalue(), newline="")
    return folder


@pytest.mark.parametrize("options", [{}, HINDSIGHT])
@pytest.mark.parametrize("name", ["mimic3-mortality", "mimic3-length-of-stay"])
def test_it_agrees_on_notes_put_together_at_random(name, options, odd):
    built, again = both(name, odd, **options)
    assert built == again
    assert len(built) > 100
