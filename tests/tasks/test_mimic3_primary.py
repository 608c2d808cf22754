"""mimic3-icd9-triage and mimic3-icd9-top50: the stated main diagnosis, and what the published pipeline did."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from clinpeft.data.build import build_task
from clinpeft.data.description import describe_task
from clinpeft.errors import BadInput
from clinpeft.recount import parser_of
from clinpeft.recount._mimic3_stated import sampled_by_pandas
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import Mimic3
from clinpeft.tasks._mimic3_primary import cleaned_as_published, split_of_rows
from clinpeft.tasks.base import TASKS, BuildLog, configure
from clinpeft.tasks.mimic3_icd9_top50 import PUBLISHED, Mimic3Icd9Top50
from clinpeft.tasks.mimic3_icd9_triage import DOCUMENTED, Mimic3Icd9Triage, read_triage_map, wordings

GOLDEN = Path(__file__).resolve().parents[1] / "golden/mimic3-icd9-triage"
OPTIONS = [
    {},
    {"mode": "paper"},
    {"mask_category": True},
    {"mask_category": True, "clean": "paper"},
    {"text": "admission"},
    {"split": "paper"},
]


def examples_of(task, folder=GOLDEN / "in"):
    log = BuildLog()
    return list(task.examples(RawFiles(folder), log)), log


def golden(name):
    return [json.loads(line) for line in (GOLDEN / "out" / name).read_text(encoding="utf-8").splitlines()]


def as_golden(examples):
    fields = ("example", "subject", "document", "label", "text")
    return [{field: getattr(example, field) for field in fields} for example in examples]


def copy_of_golden(tmp_path):
    shutil.copytree(GOLDEN / "in", tmp_path / "raw")
    return tmp_path / "raw"


def test_the_golden_raw_files_give_the_examples_worked_out_by_hand():
    examples, log = examples_of(Mimic3Icd9Triage())
    assert as_golden(examples) == golden("examples.jsonl")
    assert log.labels == tuple(DOCUMENTED)
    assert {example.split for example in examples} == {None}
    steps = {step: (kept, dropped) for step, kept, dropped in log.filters}
    assert "not-newborn" not in steps
    assert steps["no-error-mark"] == (11, 1)
    assert steps["no-exact-copies"] == (10, 1)
    assert steps["admissions"] == (9, 0)
    assert steps["with-main-diagnosis-and-procedure"] == (7, 2)  # no procedure, no diagnosis of rank 1
    assert steps["with-a-listed-code"] == (5, 2)  # 389 and 4019


def test_in_paper_mode_389_is_0389_the_first_copy_stays_and_notes_are_cleaned_and_joined_in_file_order():
    examples, _ = examples_of(Mimic3Icd9Triage(mode="paper"))
    assert as_golden(examples) == golden("paper.jsonl")
    assert None not in {example.split for example in examples}


@pytest.mark.parametrize("options", OPTIONS)
def test_the_second_parser_agrees(options):
    task = Mimic3Icd9Triage(**options)
    examples, _ = examples_of(task)
    recount = parser_of("mimic3")("mimic3-icd9-triage", GOLDEN / "in", task.model_dump())
    assert [(one.example, one.labels, one.text) for one in recount] == [
        (example.example, (example.label,), example.text) for example in examples
    ]


def test_names_of_classes_and_titles_of_codes_can_be_taken_out():
    texts = {example.example: example.text for example in examples_of(Mimic3Icd9Triage(mask_category=True))[0]}
    assert "seen in  at 10 am" in texts["301"]
    assert "Addendum: . ZQX" in texts["301"]
    assert "fever, to  ___ ZQX" in texts["303"]
    assert "Addendum alone: pneumonia." in texts["308"]  # the title goes on: organism unspecified


def test_names_are_found_in_any_case_and_spacing_and_not_inside_words():
    pattern = wordings(["AcuteMedicine", "Oncology", ""])
    assert pattern.sub("", "acute\nMEDICINE, acutemedicine, neuro-oncology, oncologyx") == ", , neuro-, oncologyx"


def test_admission_text_keeps_newborns_and_needs_a_main_section():
    examples, log = examples_of(Mimic3Icd9Triage(text="admission"))
    assert [example.example for example in examples] == ["303"]
    assert examples[0].text.startswith("CHIEF COMPLAINT: fever, to acute medicine ___ ZQX-CANARY-000004\n\n")
    assert ("with-report", 8, 1) in log.filters


def test_cleaning_damages_words_as_published():
    assert cleaned_as_published("FINAL REPORT\nIDDM (II) [**Name\nx**] w/o pain, 10 am_#") == "DM (II witho pain,"


def test_rows_are_drawn_as_pandas_draws_them():
    """RandomState(42).permutation(10) is 8 1 5 0 7 2 9 4 3 6; of the first eight, places 1 and 5 are rows 1 and 2."""
    splits = split_of_rows(10, is_swapped=False)
    assert [row for row, split in enumerate(splits) if split == "test"] == [3, 6]
    assert [row for row, split in enumerate(splits) if split == "validation"] == [1, 2]
    swapped = split_of_rows(10, is_swapped=True)
    assert [row for row, split in enumerate(swapped) if split == "validation"] == [3, 6]


@pytest.mark.parametrize("num", [1, 2, 3, 10, 1_000])
def test_numpy_and_the_twister_written_out_agree(num):
    train = sampled_by_pandas(num, 0.8, 42)
    held_out = {train[place] for place in sampled_by_pandas(len(train), 0.25, 42)}
    splits = split_of_rows(num, is_swapped=False)
    assert {row for row, split in enumerate(splits) if split == "validation"} == held_out
    assert {row for row, split in enumerate(splits) if split == "train"} == set(train) - held_out


def test_a_row_split_keeps_nothing_together_and_paper_mode_takes_it():
    assert Mimic3Icd9Triage().keeps_together() == "subject"
    assert Mimic3Icd9Triage(split="paper").keeps_together() is None
    paper = configure(Mimic3Icd9Triage, "mimic3-icd9-triage", {}, "paper")
    assert (paper.split, paper.clean) == ("paper", "paper")
    assert configure(Mimic3Icd9Triage, "mimic3-icd9-triage", {"split": "hash"}, "paper").split == "hash"
    assert describe_task(paper, "mimic3-icd9-triage", "1.4").split_method == "paper"


def test_the_documented_table_has_the_published_counts():
    assert sum(num for codes in DOCUMENTED.values() for _, num in codes) == 10_602
    assert sum(len(codes) for codes in DOCUMENTED.values()) == 20
    _, log = examples_of(Mimic3Icd9Triage(split="paper", mask_category=True))
    published = {what: published for what, published, *_ in log.expected}
    assert published["Cardiology in train"] == 4_981
    assert published["examples in train, variant of 2024"] == 9_559
    assert "examples in train" not in {what for what, *_ in examples_of(Mimic3Icd9Triage())[1].expected}


def test_a_map_of_ones_own_replaces_the_table_and_its_389_is_read_as_0389(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("Code,Class\n389,Infection\n40.19,Vessels\n414.01,Vessels\n")
    raw, log = RawFiles(GOLDEN / "in"), BuildLog()
    task = Mimic3Icd9Triage(triage_map=str(path))
    examples = list(task.examples(raw, log))
    assert [(example.example, example.label) for example in examples] == [
        *(("301", "Vessels"), ("303", "Infection"), ("305", "Vessels"))
    ]
    assert log.labels == ("Infection", "Vessels")
    assert ("triage_map/map.csv", 2, "leading-zero-restored") in log.anomalies
    assert "triage_map/map.csv" in [name for name, _, _ in raw.checksums()]
    assert "triage_map" not in task.model_dump()
    recount = parser_of("mimic3")("mimic3-icd9-triage", GOLDEN / "in", {**task.model_dump(), "triage_map": str(path)})
    assert [(one.example, one.labels[0]) for one in recount] == [(one.example, one.label) for one in examples]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("code,department\n486,Secret\n", "row 1: must name the columns code and class"),
        ("code,class\n486,Secret\n,Secret\n", "row 3: has an empty cell"),
        ("code,class\n486,Secret\n486,Other\n", "row 3: gives a code a second class"),
        ("code,class\n486,Secret\n", "names fewer than two classes"),
        ("code;class\n486;Secret\n", "delimiter looks like"),
        ("", "is empty"),
    ],
)
def test_a_broken_map_is_refused_by_place_and_not_quoted(tmp_path, content, rule):
    (tmp_path / "map.csv").write_text(content)
    with pytest.raises(BadInput, match=rule) as caught:
        read_triage_map(tmp_path / "map.csv", RawFiles(GOLDEN / "in"), BuildLog())
    assert "Secret" not in str(caught.value)


def test_a_map_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="is not there"):
        read_triage_map(tmp_path / "nowhere.csv", RawFiles(GOLDEN / "in"), BuildLog())


def test_the_first_of_several_codes_of_rank_1_counts_and_is_noted(tmp_path):
    raw = copy_of_golden(tmp_path)
    with (raw / "DIAGNOSES_ICD.csv").open("a") as file:
        file.write('99,5,305,1,"486"\n')
    examples, log = examples_of(Mimic3Icd9Triage(), raw)
    assert as_golden(examples) == golden("examples.jsonl")
    assert log.anomalies == [("DIAGNOSES_ICD", None, "several-codes-of-rank-1")]


def test_of_equally_frequent_codes_the_first_in_order_are_the_classes():
    """By the hash patients 1 and 3 are in test, 2, 4, 5 and 9 in train: there V3001, 389, 4019 and 5770 stand once."""
    examples, log = examples_of(Mimic3Icd9Top50(num_codes=2))
    assert log.labels == ("389", "4019")
    assert [(example.example, example.label) for example in examples] == [("304", "389"), ("305", "4019")]


def test_the_most_frequent_codes_of_train_are_the_classes(tmp_path):
    Mimic3().synthesize(tmp_path, num_patients=60, seed=1)
    task = Mimic3Icd9Top50(split="paper", num_codes=3)
    examples, log = examples_of(task, tmp_path)
    every = examples_of(Mimic3Icd9Top50(split="paper", num_codes=500), tmp_path)[0]
    train = Counter(example.label for example in every if example.split == "train")
    best = sorted(train, key=lambda code: (-train[code], code))[:3]
    assert log.labels == tuple(sorted(best))
    assert Counter(example.label for example in examples) == Counter(one.label for one in every if one.label in best)


@pytest.mark.parametrize("options", [{}, {"mode": "paper"}, {"split": "paper", "text": "admission"}])
def test_the_second_parser_agrees_on_the_most_frequent_codes(tmp_path, options):
    Mimic3().synthesize(tmp_path, num_patients=40, seed=2)
    task = Mimic3Icd9Top50(num_codes=6, **options)
    recount = parser_of("mimic3")("mimic3-icd9-top50", tmp_path, task.model_dump())
    assert [(one.example, one.labels[0], one.text) for one in recount] == [
        (one.example, one.label, one.text) for one in examples_of(task, tmp_path)[0]
    ]


def test_the_released_list_of_labels_is_compared_with_for_the_published_split():
    assert len(set(PUBLISHED)) == 50
    _, log = examples_of(Mimic3Icd9Top50(split="paper"))
    assert ("codes of the released list", 50) in [row[:2] for row in log.expected]


def test_patients_on_both_sides_of_the_published_split_are_counted_on_the_card(tmp_path):
    Mimic3().synthesize(tmp_path / "mimic3", num_patients=200, seed=3)
    paper = Mimic3Icd9Top50(mode="paper", num_codes=100)
    card = build_task(paper, "mimic3-icd9-top50", tmp_path, tmp_path / "paper").card
    assert (card.mode, card.split.method, card.split.by) == ("paper", "paper", None)
    assert card.split.shared_subjects > 0
    card = build_task(Mimic3Icd9Triage(), "mimic3-icd9-triage", tmp_path, tmp_path / "out").card
    assert (card.split.method, card.split.by, card.split.shared_subjects) == ("hash", "subject", 0)
    assert card.labels == tuple(DOCUMENTED)
    assert sum(counts.labels["Obstetrics"] for counts in card.counts.values()) >= 5
    assert "ZQX" not in card.model_dump_json()


@pytest.mark.parametrize("name", ["mimic3-icd9-triage", "mimic3-icd9-top50"])
def test_the_tasks_are_registered_under_their_names(name):
    assert TASKS.get(name).source == "mimic3"
