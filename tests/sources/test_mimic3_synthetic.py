"""Invented MIMIC-III: same bytes for the same seed, the real shape, every quirk, and a ceiling that is right."""

import gzip
import os
import random
import re
import subprocess
import sys
from datetime import datetime

import pytest
from sklearn.metrics import roc_auc_score

from clinpeft.errors import BadInput
from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources._canary import CANARY
from clinpeft.sources._label_pickle import load_plain_pickle
from clinpeft.sources._mimic3_hospital import Hospital
from clinpeft.sources._mimic3_quirks import EXACT_STAYS_DAYS
from clinpeft.sources._mimic3_stays import Traits
from clinpeft.sources._mimic3_ventilation import ventilation_labels
from clinpeft.sources._mimic_synthetic import expected_auroc
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic3 import TABLES, Mimic3, open_table
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.mimic3_icd9_triage import DOCUMENTED
from clinpeft.tasks.mimic3_mortality import Mimic3Mortality

FORMAT = "%Y-%m-%d %H:%M:%S"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mimic3")
    return folder, Mimic3().synthesize(folder, num_patients=120, seed=3)


def rows(folder, table, *columns):
    return [cells for _, cells in open_table(RawFiles(folder), table, columns or TABLES[table])]


def built(folder):
    log = BuildLog()
    return list(Mimic3Mortality().examples(RawFiles(folder), log)), log


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path, release):
    for name, seed in (("again", 3), ("other", 4)):
        (tmp_path / name).mkdir()
        Mimic3().synthesize(tmp_path / name, num_patients=120, seed=seed)
    names = sorted(path.name for path in release[0].iterdir())
    assert names == sorted([*(f"{table}.csv.gz" for table in TABLES), "pmv_labels.pkl"])
    assert all((tmp_path / "again" / name).read_bytes() == (release[0] / name).read_bytes() for name in names)
    assert (tmp_path / "other/NOTEEVENTS.csv.gz").read_bytes() != (release[0] / "NOTEEVENTS.csv.gz").read_bytes()


def test_the_bytes_do_not_depend_on_the_hash_seed(tmp_path, release):
    code = (
        "import sys, pathlib; from clinpeft.sources.mimic3 import Mimic3;"
        "Mimic3().synthesize(pathlib.Path(sys.argv[1]), num_patients=120, seed=3)"
    )
    for seed in ("1", "2"):
        out = tmp_path / seed
        subprocess.run([sys.executable, "-c", code, str(out)], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        names = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
        assert names
        assert all((out / path).read_bytes() == (release[0] / path).read_bytes() for path in names)


def test_headers_and_text_are_quoted_and_numbers_times_and_nulls_are_not(release):
    lines = gzip.decompress((release[0] / "DIAGNOSES_ICD.csv.gz").read_bytes()).decode().splitlines()
    assert lines[0] == '"ROW_ID","SUBJECT_ID","HADM_ID","SEQ_NUM","ICD9_CODE"'
    assert re.fullmatch(r'1,\d+,\d+,1,"\w+"', lines[1])
    assert any(re.fullmatch(r"\d+,\d+,\d+,,", line) for line in lines)
    admission = gzip.decompress((release[0] / "ADMISSIONS.csv.gz").read_bytes()).decode().splitlines()[1]
    assert re.match(r'1,\d+,\d+,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,[^"]*,"', admission)


def test_every_note_holds_a_canary_of_its_own_and_every_admission_text_keeps_it(release):
    notes = [text for (text,) in rows(release[0], "NOTEEVENTS", "TEXT") if text]
    marks = [re.findall(rf"{CANARY}-\d{{6}}", note) for note in notes]
    assert {len(found) for found in marks} == {1}
    assert len({found[0] for found in marks}) == len(set(notes))
    examples, _ = built(release[0])
    assert all(re.search(rf"PRESENT ILLNESS: .*{CANARY}-\d{{6}}", example.text) for example in examples)


def test_what_decides_stands_at_the_start_of_the_admission_text(release):
    examples, _ = built(release[0])
    ends = [example.text.index("Seen at") for example in examples]
    assert max(len(example.text[:end].split()) for example, end in zip(examples, ends, strict=True)) <= 40


def test_each_quirk_is_met_by_the_filter_meant_for_it(release):
    examples, log = built(release[0])
    steps = {step: dropped for step, _, dropped in log.filters}
    assert 120 <= len(examples) <= 190
    assert steps["with-admission-id"] == 1  # a note without admission
    assert steps["not-newborn"] == 1 + 8  # one written up like an adult, and a fifteenth of 120
    assert steps["with-text"] == 1
    assert steps["no-exact-copies"] == 1  # one text under two admissions
    assert steps["with-report"] == 1  # an addendum only
    assert steps["with-main-section"] == 1  # a dictated note
    assert steps["death-not-told"] == 2  # expired twice in the exam, and in the present illness
    assert steps["counted-only: has SOCIAL HISTORY"] == 1  # the section that ends its note
    assert log.anomalies == []


def test_planted_texts_are_there(release):
    texts = [text for (text,) in rows(release[0], "NOTEEVENTS", "TEXT")]
    for planted in ("\r\n", '"as dictated", no', "CHIEF COMPLAINT:", "patient expired.", "Mother died", "In the ED,"):
        assert any(planted in text for text in texts), planted
    categories = {category for (category,) in rows(release[0], "NOTEEVENTS", "CATEGORY")}
    assert {"Discharge summary", "Physician ", "Radiology", "Nursing/other"} <= categories
    assert ["1"] in rows(release[0], "NOTEEVENTS", "ISERROR")


def test_planted_stays_and_codes_are_there(release):
    times = rows(release[0], "ADMISSIONS", "ADMITTIME", "DISCHTIME")
    days = [
        (datetime.strptime(end, FORMAT) - datetime.strptime(start, FORMAT)).total_seconds() / 86_400
        for start, end in times
    ]
    assert all(any(abs(day - exact) < 1e-4 for day in days) for exact in EXACT_STAYS_DAYS)
    assert sum(day < 0 for day in days) == 1
    assert ["NEWBORN"] in rows(release[0], "ADMISSIONS", "ADMISSION_TYPE")
    diagnoses = {code for (code,) in rows(release[0], "DIAGNOSES_ICD", "ICD9_CODE")}
    procedures = {code for (code,) in rows(release[0], "PROCEDURES_ICD", "ICD9_CODE")}
    assert {"0389", "V3001", "E9320", ""} <= diagnoses
    assert {"0331", "3310"} <= procedures
    titled = {code for (code,) in rows(release[0], "D_ICD_DIAGNOSES", "ICD9_CODE")}
    assert diagnoses - titled == {"", "7999"}
    assert procedures - {code for (code,) in rows(release[0], "D_ICD_PROCEDURES", "ICD9_CODE")} == {"9999"}


def test_deaths_agree_in_all_tables(release):
    flags = rows(release[0], "ADMISSIONS", "SUBJECT_ID", "HOSPITAL_EXPIRE_FLAG", "DEATHTIME", "DISCHARGE_LOCATION")
    assert all((flag == "1") == bool(time) == (place == "DEAD/EXPIRED") for _, flag, time, place in flags)
    dead = {subject for subject, flag, *_ in flags if flag == "1"}
    assert {
        subject for subject, flag in rows(release[0], "PATIENTS", "SUBJECT_ID", "EXPIRE_FLAG") if flag == "1"
    } == dead
    last = {subject: flag for subject, flag, *_ in flags}
    assert all(last[subject] == "1" for subject in dead)  # nobody is admitted after death


def test_few_patients_hold_no_quirks_and_none_is_refused(tmp_path):
    facts = Mimic3().synthesize(tmp_path, num_patients=2, seed=0)
    assert facts["patients"] == 2
    with pytest.raises(BadInput, match="must be at least 1"):
        Mimic3().synthesize(tmp_path, num_patients=0, seed=0)


def test_the_expected_auroc_counts_pairs_by_hand():
    # pairs (i died, j survived): 0.8*0.6 right + 0.4*0.2 wrong; ties count half
    assert expected_auroc([0.8, 0.4]) == pytest.approx(0.48 / 0.56)
    assert expected_auroc([0.5, 0.5]) == pytest.approx(0.5)
    # 0.9 twice, 0.1 once: right 2*0.9*0.9, tied half 0.9*0.1, wrong 2*0.1*0.1
    assert expected_auroc([0.9, 0.9, 0.1]) == pytest.approx((1.62 + 0.09) / (1.62 + 0.18 + 0.02))


def test_the_stated_ceiling_is_what_the_true_probabilities_reach(tmp_path):
    hospital = Hospital(11)
    stays = [hospital.admit(hospital.new_patient()) for _ in range(6000)]
    true = [stay.traits.probability for stay in stays]
    died = [stay.died for stay in stays]
    assert roc_auc_score(died, true) == pytest.approx(expected_auroc(true), abs=0.01)
    assert 0.85 <= expected_auroc(true) <= 0.91
    assert 0.2 <= sum(died) / len(died) <= 0.35


def test_the_stated_ceiling_is_about_the_same_for_every_seed(release):
    rng = random.Random(5)
    whole = expected_auroc([Traits.draw(rng).probability for _ in range(20_000)])
    assert release[1]["best_auroc"] == pytest.approx(whole, abs=0.04)


def wordings(codes: dict[str, str]) -> set[str]:
    return {wording for wordings in codes.values() for wording in wordings.split("|")}


def test_no_wording_tells_two_things():
    groups = [
        *(wordings(codes) for codes in (phrases.GRAVE, phrases.LIGHT, phrases.FRAIL, phrases.ROBUST)),
        *(set(courses.split("|")) for courses in (phrases.WORSENING, phrases.UNDECIDED, phrases.IMPROVING)),
    ]
    assert sum(len(group) for group in groups) == len(set().union(*groups)) > 250


def test_the_words_tell_the_traits():
    rng = random.Random(1)
    for _ in range(200):
        traits = Traits.draw(rng)
        words = traits.wording(rng, 70, True)
        assert not re.search(r"[\[\]{}|]", words)
        assert any(wording in words for wording in wordings(phrases.GRAVE if traits.is_grave else phrases.LIGHT))
        assert any(wording in words for wording in wordings(phrases.FRAIL if traits.is_frail else phrases.ROBUST))
        courses = {1: phrases.WORSENING, 0: phrases.UNDECIDED, -1: phrases.IMPROVING}[traits.course]
        assert any(wording in words for wording in courses.split("|"))


def test_labels_of_ventilation_are_drawn_with_the_stated_ceiling_and_part_one_patient(tmp_path):
    hospital = Hospital(5)
    stays = [hospital.admit(hospital.new_patient()) for _ in range(6000)]
    stays.append(hospital.admit(stays[0].patient))
    data, true = ventilation_labels(stays, 5)
    labels = load_plain_pickle(data, "pmv_labels.pkl")
    long = [labels[stay.hadm][0] for stay in stays]
    assert roc_auc_score(long, true) == pytest.approx(expected_auroc(true), abs=0.01)
    assert [labels[stays[place].hadm][1] for place in (0, -1, 3, 7, 8)] == ["train", "test", "val", "test", "train"]


def test_main_diagnoses_tell_all_departments_of_the_triage_task(release):
    first = {code for rank, code in rows(release[0], "DIAGNOSES_ICD", "SEQ_NUM", "ICD9_CODE") if rank == "1"}
    assert all(first & {code for code, _ in codes} for codes in DOCUMENTED.values())
    newborns = [hadm for hadm, kind in rows(release[0], "ADMISSIONS", "HADM_ID", "ADMISSION_TYPE") if kind == "NEWBORN"]
    coded = dict(rows(release[0], "PROCEDURES_ICD", "HADM_ID", "ICD9_CODE"))
    assert {coded[hadm] for hadm in newborns} == {"9955"}
