"""mimic3-ventilation: labels from a file of the authors, pickle or CSV, and its split."""

import pickle
import shutil
from pathlib import Path

import pytest

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.recount import parser_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import Mimic3
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.mimic3_ventilation import Mimic3Ventilation

GOLDEN = Path(__file__).resolve().parents[1] / "golden/mimic3-ventilation/in"
LABELS = {401: [1, "train"], 402: [0, "val"], 403: [1, "test"], 404: [0, "train"], 405: [1, "train"], 407: [1, "train"]}
EXPECTED = [
    *(("401", "over 7 days", "train"), ("402", "up to 7 days", "validation"), ("403", "over 7 days", "test")),
]


def examples_of(folder=GOLDEN, **options):
    raw, log = RawFiles(folder), BuildLog()
    examples = list(Mimic3Ventilation(**options).examples(raw, log))
    return [(example.example, example.label, example.split) for example in examples], log, raw


def copy_of_golden(tmp_path, labels=None):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    if labels is not None:
        (tmp_path / "raw/pmv_labels.csv").unlink()
        (tmp_path / "raw/pmv_labels.pkl").write_bytes(pickle.dumps(labels))
    return tmp_path / "raw"


def test_the_golden_label_file_gives_the_examples_worked_out_by_hand():
    found, log, raw = examples_of()
    assert found == EXPECTED
    steps = [step for step in log.filters if not step[0].startswith("counted")]
    assert steps[0] == ("labelled admissions in ADMISSIONS", 5, 1)
    assert steps[-4:] == [
        *(("with-outcome", 6, 0), ("death-not-told", 5, 1), ("with-label", 4, 1), ("patient-in-one-split", 3, 1)),
    ]
    assert log.anomalies == [("pmv_labels.csv", None, "patients-in-two-splits")]
    assert "pmv_labels.csv" in [name for name, _, _ in raw.checksums()]
    assert ("examples in train", 5_666, 1, "V", log.expected[-1][-1]) in log.expected


def test_in_paper_mode_the_files_split_stands_whatever_it_does_to_patients():
    found, log, _ = examples_of(mode="paper")
    assert found == [*EXPECTED, ("404", "up to 7 days", "train")]
    assert ("pmv_labels.csv", None, "patients-in-two-splits") in log.anomalies
    assert Mimic3Ventilation(mode="paper").keeps_together() is None
    assert Mimic3Ventilation().keeps_together() == "subject"


def test_a_hash_split_uses_every_label():
    found, log, _ = examples_of(split="hash")
    assert [(hadm, split) for hadm, _, split in found] == [(hadm, None) for hadm in ("401", "402", "403", "404")]
    assert log.anomalies == []


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        {str(hadm): (str(label), split) for hadm, (label, split) in LABELS.items()},
        {hadm: [float(label), "a note", split] for hadm, (label, split) in LABELS.items()},
    ],
)
def test_the_pickle_gives_the_same_as_the_table(tmp_path, labels):
    found, _, raw = examples_of(copy_of_golden(tmp_path, labels))
    assert found == EXPECTED
    assert "pmv_labels.pkl" in [name for name, _, _ in raw.checksums()]


def test_a_label_file_elsewhere_is_listed_by_its_checksum_and_its_path_is_no_option(tmp_path):
    (tmp_path / "mine.pkl").write_bytes(pickle.dumps(LABELS))
    found, _, raw = examples_of(pmv_labels=str(tmp_path / "mine.pkl"))
    assert found == EXPECTED
    assert "pmv_labels/mine.pkl" in [name for name, _, _ in raw.checksums()]
    assert "pmv_labels" not in Mimic3Ventilation(pmv_labels="x").model_dump()


@pytest.mark.parametrize("options", [{}, {"mode": "paper"}, {"split": "hash"}])
def test_the_second_parser_agrees(options):
    task = Mimic3Ventilation(**options)
    recount = parser_of("mimic3")("mimic3-ventilation", GOLDEN, task.model_dump())
    assert [(one.example, one.labels[0]) for one in recount] == [row[:2] for row in examples_of(**options)[0]]


class Runs:
    def __reduce__(self):
        return exec, ("raise SystemExit('ran')",)


def test_a_malicious_pickle_is_refused_before_anything_of_it_runs(tmp_path):
    with pytest.raises(BadInput, match="can run any program when it is loaded"):
        examples_of(copy_of_golden(tmp_path, {401: [1, Runs()]}))


def test_the_command_line_refuses_it_in_one_line(tmp_path, clinpeft):
    raw = copy_of_golden(tmp_path, {401: [1, Runs()]})
    said = clinpeft("build", "mimic3-ventilation", "--raw", raw, "--out", tmp_path / "out")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "rule"),
    [
        ([401], "is no dict from admission to label"),
        ({}, "holds no labels"),
        ({401: "train"}, "entry 1: is no sequence of a label and a split"),
        ({401: [2, "train"]}, "entry 1: its label is neither 0 nor 1"),
        ({401: [1, "train"], "x": [1, "train"]}, "entry 2: its admission is no HADM_ID"),
        ({401: [1, "secret"]}, "entry 1: its split is none of train, val and test"),
        ({401: [1]}, "gives no split"),
        ({401: [1, "train"], "401": [0, "train"]}, "gives 1 admissions two labels"),
    ],
)
def test_broken_labels_are_refused_by_place_and_not_quoted(tmp_path, labels, rule):
    with pytest.raises(BadInput, match=rule) as caught:
        examples_of(copy_of_golden(tmp_path, labels))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("hadm,label\n401,1\n", "row 1: must name the columns hadm_id, label"),
        ("hadm_id,label\n401,1\n", "gives no split"),
        ("hadm_id,label,Label\n401,1,0\n", "row 1: must name the columns hadm_id, label"),
        ("hadm_id,label,split\n401,yes,train\n", "row 2: its label is neither 0 nor 1"),
    ],
)
def test_a_broken_table_of_labels_is_refused_by_place(tmp_path, content, rule):
    raw = copy_of_golden(tmp_path)
    (raw / "pmv_labels.csv").write_text(content)
    with pytest.raises(BadInput, match=rule):
        examples_of(raw)


def test_without_a_label_file_the_remedy_says_where_it_lies(tmp_path):
    raw = copy_of_golden(tmp_path)
    (raw / "pmv_labels.csv").unlink()
    with pytest.raises(BadInput, match=r"holds 0 label files .* allenai/BEEP: give it with --set pmv_labels=FILE"):
        examples_of(raw)
    with pytest.raises(BadInput, match="is not there"):
        examples_of(raw, pmv_labels=str(tmp_path / "nowhere.pkl"))


def test_a_dataset_built_from_invented_files_keeps_patients_in_one_split_of_the_file(tmp_path):
    facts = Mimic3().synthesize(tmp_path / "mimic3", num_patients=60, seed=1)
    card = build_task(Mimic3Ventilation(), "mimic3-ventilation", tmp_path, tmp_path / "out").card
    assert (card.split.method, card.split.by, card.split.shared_subjects) == ("official", "subject", 0)
    assert [anomaly.code for anomaly in card.anomalies][:1] == ["patients-in-two-splits"]
    paper = build_task(Mimic3Ventilation(mode="paper"), "mimic3-ventilation", tmp_path, tmp_path / "paper").card
    assert paper.split.shared_subjects > 0
    assert 0.7 < facts["best_auroc_ventilation"] < 0.95
