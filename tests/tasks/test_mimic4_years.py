"""MIMIC-IV split by time: the patients of the newest true years are test, and nothing else changes."""

from collections import defaultdict

import pytest

from clinpeft.data.build import build_task
from clinpeft.data.verify import compare_with_raw
from clinpeft.errors import BadInput
from clinpeft.recount import parser_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic4 import Mimic4, open_table
from clinpeft.tasks.base import TASKS, BuildLog, configure

NAMES = ("mimic4-mortality", "mimic4-length-of-stay", "mimic4-diagnoses")
PATIENTS = "hosp/patients.csv"
OLD, MIDDLE, NEW, LAST = "2008 - 2010", "2011 - 2013", "2014 - 2016", "2020 - 2022"
VALIDATION = {"115", "118"}
"""Of 111 to 118: SHA-256 of `split-v1|mimic4|115` starts with e6, of 118 with e5; the others are below e0, which is 7/8
of 256."""


def write(folder, group_of, without_notes=()):
    """One admission and one summary for each subject; dates run against the true years."""
    admissions, notes = ["subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,hospital_expire_flag"], []
    for place, subject in enumerate(group_of):
        start = f"{2190 - place}-01-01 10:00:00"
        admissions.append(f"{subject},{subject}0,{start},{2190 - place}-01-05 10:00:00,,URGENT,{place % 2}")
        text = f'"Chief Complaint:\npain of {subject}\n"'
        if subject not in without_notes:
            notes.append(f"{subject}-DS-1,{subject},{subject}0,DS,1,{start},,{text}")
    patients = [f"{subject},F,50,2150,{group}," for subject, group in group_of.items()]
    for place, header, rows in (
        ("hosp/admissions.csv", [], admissions),
        (PATIENTS, ["subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod"], patients),
        ("note/discharge.csv", ["note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text"], notes),
    ):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text("\n".join([*header, *rows]) + "\n")


def splits_of(folder, name="mimic4-mortality", **options):
    """{split: subjects}, the same by both parsers; and the log."""
    log, root = BuildLog(), Mimic4().find(folder)
    task = TASKS.get(name)(split="anchor_year_group", **options)
    examples = list(task.examples(RawFiles(root), log))
    again = parser_of("mimic4")(name, root, task.model_dump())
    assert [(one.example, one.split) for one in again] == [(one.example, one.split) for one in examples]
    found = defaultdict(set)
    for example in examples:
        found[example.split].add(example.subject)
    return dict(found), log


def spread(*sizes):
    """Subjects 111, 112, … by group, oldest first."""
    groups = [group for group, size in zip((OLD, MIDDLE, NEW, LAST), sizes, strict=False) for _ in range(size)]
    return {str(111 + place): group for place, group in enumerate(groups)}


def test_the_newest_group_is_test_and_the_older_ones_are_parted_by_the_hash(tmp_path):
    write(tmp_path, spread(4, 4, 2))
    found, log = splits_of(tmp_path)
    assert found["test"] == {"119", "120"}
    assert found["validation"] == VALIDATION
    assert found["train"] == {"111", "112", "113", "114", "116", "117"}
    assert ("counted-only: test, the patients of 2014 - 2016", 2, 8) in log.filters


def test_a_last_group_that_has_hardly_any_notes_takes_the_one_before_along(tmp_path):
    write(tmp_path, spread(10, 8, 2, 1))
    found, log = splits_of(tmp_path)
    assert found["test"] == {"129", "130", "131"}
    assert ("counted-only: test, the patients of 2014 - 2022", 3, 18) in log.filters


def test_a_tenth_is_enough(tmp_path):
    write(tmp_path, spread(10, 7, 1, 2))
    assert splits_of(tmp_path)[0]["test"] == {"129", "130"}


def test_only_patients_with_notes_say_which_group_is_the_newest(tmp_path):
    group_of = spread(4, 4, 2, 9)
    write(tmp_path, group_of, without_notes=[subject for subject, group in group_of.items() if group == LAST])
    assert splits_of(tmp_path)[0]["test"] == {"119", "120"}


def test_the_oldest_group_is_never_test(tmp_path):
    write(tmp_path, spread(20, 1))
    assert splits_of(tmp_path)[0]["test"] == {"131"}


def test_whatever_the_blanks_in_a_group(tmp_path):
    write(tmp_path, {**spread(4, 4), "119": "2014-2016", "120": " 2014 - 2016"})
    assert splits_of(tmp_path)[0]["test"] == {"119", "120"}


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ("", "line 3, column ANCHOR_YEAR_GROUP: is empty"),
        ("zqx", "line 3, column ANCHOR_YEAR_GROUP: is no group of years such as '2008 - 2010'"),
        ("2010 - 2008", "line 3, column ANCHOR_YEAR_GROUP: is no group of years"),
        ("2150 - 2152", "line 3, column ANCHOR_YEAR_GROUP: lies in 2100 or later: shifted years have no order"),
        ("2009 - 2011", r"lines 2, 3, column ANCHOR_YEAR_GROUP: hold groups that overlap"),
    ],
)
def test_a_group_that_is_none_is_refused_by_place_and_rule(cell, rule, tmp_path):
    write(tmp_path, {**spread(4, 4, 2), "112": cell})
    with pytest.raises(BadInput, match=rule) as caught:
        splits_of(tmp_path)
    assert "\n" not in str(caught.value)
    assert not cell or cell not in str(caught.value)


def test_a_subject_has_one_row_and_one_group(tmp_path):
    write(tmp_path, spread(4, 4, 2))
    with (tmp_path / PATIENTS).open("a") as file:
        file.write(f"111,F,50,2150,{NEW},\n")
    with pytest.raises(BadInput, match=r"patients.csv, line 12: repeats a subject_id"):
        splits_of(tmp_path)


def test_a_subject_that_the_table_lacks_is_refused(tmp_path):
    write(tmp_path, spread(4, 4, 2))
    rows = (tmp_path / PATIENTS).read_text().splitlines()
    (tmp_path / PATIENTS).write_text("\n".join(rows[:-2]) + "\n")
    with pytest.raises(BadInput, match=r"^patients: lacks 2 of the 10 subjects with notes"):
        splits_of(tmp_path)


def test_patients_of_one_group_have_no_newer_ones(tmp_path):
    write(tmp_path, spread(10))
    with pytest.raises(BadInput, match="all patients with notes are of one group of years"):
        splits_of(tmp_path)


def test_a_table_without_patients_is_refused(tmp_path):
    write(tmp_path, spread(4, 4))
    (tmp_path / PATIENTS).write_text((tmp_path / PATIENTS).read_text().splitlines()[0] + "\n")
    with pytest.raises(BadInput, match=r"patients.csv: holds no patients"):
        splits_of(tmp_path)


def test_an_empty_test_split_is_refused_with_a_way_out(tmp_path):
    """The newest patients have notes, and none of them a known outcome."""
    write(tmp_path, spread(8, 2))
    table = tmp_path / "hosp/admissions.csv"
    rows = [row if not row.startswith(("119,", "120,")) else row[:-1] for row in table.read_text().splitlines()]
    table.write_text("\n".join(rows) + "\n")
    task = TASKS.get("mimic4-mortality")(split="anchor_year_group")
    with pytest.raises(BadInput, match=r"the test split is empty; too few patients.*or take split=hash"):
        build_task(task, "mimic4-mortality", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def invented(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mimic4")
    Mimic4().synthesize(folder, num_patients=60, seed=5)
    columns = ("subject_id", "anchor_year_group")
    groups = {subject: group for _, (subject, group) in open_table(RawFiles(folder), "patients", columns)}
    assert len(set(groups.values())) == 5
    return folder, groups


@pytest.mark.parametrize("name", NAMES)
def test_everybody_in_test_is_of_later_years_than_everybody_else(name, invented):
    folder, groups = invented
    found, _ = splits_of(folder, name)
    assert set(found) == {"train", "validation", "test"}
    assert sum(map(len, found.values())) == len(set.union(*found.values()))
    newest_other = max(groups[subject] for split in ("train", "validation") for subject in found[split])
    assert min(groups[subject] for subject in found["test"]) > newest_other


def test_all_tasks_agree_on_each_patient_and_whole_texts_change_nothing(invented):
    found = [splits_of(invented[0], name)[0] for name in NAMES]
    found.append(splits_of(invented[0], text="full", allow_hindsight=True)[0])
    split_of = [{subject: split for split, of in one.items() for subject in of} for one in found]
    for one in split_of:
        assert all(split_of[-1].get(subject, split) == split for subject, split in one.items())


def test_the_card_tells_the_rule_and_that_of_the_default_is_as_it_was(invented, tmp_path):
    cards = {}
    for split in ("hash", "anchor_year_group"):
        task = TASKS.get("mimic4-mortality")(split=split)
        cards[split] = build_task(task, "mimic4-mortality", invented[0], tmp_path / split).card
    late, chance = cards["anchor_year_group"], cards["hash"]
    assert (late.split.method, late.options["split"]) == ("user", "anchor_year_group")
    assert any(step.step.startswith("counted-only: test, the patients of ") for step in late.filters)
    assert chance.split.method == "hash"
    assert set(chance.options) == {"text", "allow_hindsight", "allow_modified", "leak_filter"}
    assert {file.path.rpartition("/")[2] for file in chance.sources[0].files} == {
        "admissions.csv.gz",
        "discharge.csv.gz",
    }
    assert late.fingerprint != chance.fingerprint


def test_copies_of_test_leave_train_as_with_the_hash(tmp_path):
    write(tmp_path, spread(10, 8, 4))
    notes = tmp_path / "note/discharge.csv"
    notes.write_text(notes.read_text().replace("pain of 131", "pain of 111 "))  # the same but for a blank
    card = build_task(TASKS.get("mimic4-mortality")(split="anchor_year_group"), "mimic4-mortality", tmp_path, tmp_path)
    assert card.card.duplicates.dropped == 1


@pytest.mark.parametrize("split", ["hash", "anchor_year_group"])
def test_verify_sees_an_example_in_another_split(split, invented, tmp_path):
    task = TASKS.get("mimic4-mortality")(split=split)
    dataset = build_task(task, "mimic4-mortality", invented[0], tmp_path)
    sound = compare_with_raw(dataset, invented[0])
    assert sound.problem() is None
    assert sound.num_splits == sound.num_examples
    assert f"the splits of {sound.num_examples:,}" in sound.lines()[-1]
    train, test = (dataset.folder / f"{name}.parquet" for name in ("train", "test"))
    train.rename(tmp_path / "aside")
    test.rename(train)
    (tmp_path / "aside").rename(test)
    counts = [len(dataset.examples(name)) for name in ("train", "test")]
    assert f"{sum(counts)} in another split" in str(compare_with_raw(dataset, invented[0]).problem())


def test_dates_are_no_way_to_split(invented):
    with pytest.raises(BadInput, match="'split': Input should be 'hash' or 'anchor_year_group'"):
        configure(TASKS.get("mimic4-mortality"), "mimic4-mortality", {"split": "admittime"}, None)
