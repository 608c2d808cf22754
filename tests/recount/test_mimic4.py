"""The second parser of MIMIC-IV says the same as the builder: of the golden files, of invented ones, of odd notes."""

import csv
import io
import random
from pathlib import Path

import pytest

from clinpeft.recount import parser_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic4 import Mimic4
from clinpeft.tasks.base import TASKS, BuildLog

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NAMES = ("mimic4-mortality", "mimic4-length-of-stay", "mimic4-diagnoses")
HINDSIGHT = {"text": "full", "allow_hindsight": True}


def both(name, folder, **options):
    root = Mimic4().find(folder)
    task = TASKS.get(name)(**options)
    examples = list(task.examples(RawFiles(root), BuildLog()))
    built = [(example.example, example.labels or (example.label,), example.text) for example in examples]
    recount = parser_of("mimic4")
    assert recount is not None
    again = [(one.example, one.labels, one.text) for one in recount(name, root, task.model_dump())]
    return built, again


@pytest.mark.parametrize("options", [{}, HINDSIGHT, {"leak_filter": "strict"}])
@pytest.mark.parametrize("name", NAMES)
def test_it_agrees_on_the_golden_files(name, options):
    built, again = both(name, GOLDEN / name / "in", **options)
    assert built == again
    assert len(built) >= 2


@pytest.mark.parametrize("icd", ["9", "both"])
def test_it_agrees_on_codes_of_either_version(icd):
    built, again = both("mimic4-diagnoses", GOLDEN / "mimic4-diagnoses/in", icd=icd)
    assert built == again


@pytest.fixture(scope="module")
def invented(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mimic4")
    Mimic4().synthesize(folder, num_patients=60, seed=5)
    return folder


@pytest.mark.parametrize("options", [{}, HINDSIGHT, {"leak_filter": "strict"}])
@pytest.mark.parametrize("name", NAMES)
def test_it_agrees_on_invented_files(name, options, invented):
    built, again = both(name, invented, **options)
    assert built == again
    assert len(built) > 30


PIECES = (
    *(
        "Chief Complaint:",
        "CHIEF COMPLAINT :",
        "Physical Exam:",
        "Past ___ History:",
        "___ History:",
        "___ on Admission:",
    ),
    *(
        "Medications on Admission: a",
        "Discharge ___:",
        "___:",
        "Service: S",
        "\n",
        "\n",
        "\n",
        " \n",
        "\r\n",
        " ",
        "\t",
    ),
    *(
        "at discharge",
        "DISCHARGE:",
        "discharge :",
        "Discharge Physical Exam",
        "no discharge: x",
        "é discharge:",
        "pale",
    ),
    *(":", "___", "Allergies:", "Kidney", "ſervice: x"),
)
DEATHS = ("patient expired", " pt had died", " expired", "\nexpired", "he expired", "time of death")


@pytest.mark.parametrize("options", [{}, HINDSIGHT, {"leak_filter": "strict"}])
def test_it_agrees_on_notes_put_together_at_random(options, tmp_path):
    """As many notes as make every pair of pieces meet several times."""
    rng = random.Random(7)
    admissions, notes = io.StringIO(newline=""), io.StringIO(newline="")
    header = (GOLDEN / "mimic4-mortality/in/mimiciv/3.1/hosp/admissions.csv").read_text().split("\n")[0]
    admissions.write(header + "\n")
    notes.write("note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text\n")
    writer = csv.writer(notes, lineterminator="\n")
    for hadm in range(1, 1501):
        dead = hadm % 2
        admissions.write(f"{hadm},{hadm},2150-01-01 00:00:00,2150-01-05 00:00:00,,E,,,,,,,,,,{dead}\n")
        for number in range(1, rng.randint(2, 4)):
            text = "Chief Complaint: x\n" + "".join(
                rng.choice(DEATHS if rng.random() < 0.03 else PIECES) for _ in range(25)
            )
            kind = rng.choice(("DS", "DS", "AD"))
            writer.writerow((f"{hadm}-{kind}-{number}", hadm, hadm, kind, number, "2150-01-05 00:00:00", "", text))
    (tmp_path / "admissions.csv").write_text(admissions.getvalue(), newline="")
    (tmp_path / "discharge.csv").write_text(notes.getvalue(), newline="")
    built, again = both("mimic4-mortality", tmp_path, **options)
    assert built == again
    assert len(built) > 100
