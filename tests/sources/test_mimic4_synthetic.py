"""Invented MIMIC-IV: same bytes for the same seed, the real shape, every quirk, and ceilings that are right."""

import gzip
import os
import random
import re
import subprocess
import sys

import pytest
from sklearn.metrics import roc_auc_score

from clinpeft.errors import BadInput
from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources import _mimic4_codes as codes
from clinpeft.sources._canary import CANARY
from clinpeft.sources._mimic3_stays import Traits
from clinpeft.sources._mimic4_hospital import Hospital, stay_shares
from clinpeft.sources._mimic4_writing import LAST_EXAM
from clinpeft.sources._mimic_synthetic import expected_auroc
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mimic4 import TABLES, Mimic4, open_table
from clinpeft.tasks._stays import CLASSES, class_of
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.mimic4_diagnoses import Mimic4Diagnoses
from clinpeft.tasks.mimic4_length_of_stay import Mimic4LengthOfStay
from clinpeft.tasks.mimic4_mortality import Mimic4Mortality

NUM_PATIENTS = 120


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mimic4")
    return folder, Mimic4().synthesize(folder, num_patients=NUM_PATIENTS, seed=3)


def rows(folder, table, *columns):
    known = next(of for place, of in TABLES.items() if place.endswith(f"/{table}"))
    return [cells for _, cells in open_table(RawFiles(folder), table, columns or known)]


def built(folder, task=Mimic4Mortality, **options):
    log = BuildLog()
    return list(task(**options).examples(RawFiles(folder), log)), log


def files_in(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def test_the_two_downloads_lie_as_physionet_lays_them_down(release):
    names = [str(path) for path in files_in(release[0])]
    hospital = [f"mimiciv/3.1/{table}.csv.gz" for table in TABLES if not table.startswith("note/")]
    notes = [f"mimic-iv-note/2.2/{table}.csv.gz" for table in TABLES if table.startswith("note/")]
    assert names == sorted([*hospital, *notes])
    assert Mimic4().find(release[0]) == release[0]


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(tmp_path, release):
    code = (
        "import sys, pathlib; from clinpeft.sources.mimic4 import Mimic4;"
        f"Mimic4().synthesize(pathlib.Path(sys.argv[1]), num_patients={NUM_PATIENTS}, seed=int(sys.argv[2]))"
    )
    for seed, hash_seed in (("3", "1"), ("4", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed), seed], check=True, env=environment)
    same = [(tmp_path / "3" / path).read_bytes() == (release[0] / path).read_bytes() for path in files_in(release[0])]
    assert all(same)
    discharge = "mimic-iv-note/2.2/note/discharge.csv.gz"
    assert (tmp_path / "4" / discharge).read_bytes() != (release[0] / discharge).read_bytes()


def test_names_are_in_lower_case_and_quotes_stand_only_where_needed(release):
    packed = release[0] / "mimiciv/3.1/hosp/diagnoses_icd.csv.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")
    assert lines[0] == "subject_id,hadm_id,seq_num,icd_code,icd_version"
    assert re.fullmatch(r"1\d{7},2\d{7},1,\w+,(9|10)", lines[1])
    note = gzip.decompress((release[0] / "mimic-iv-note/2.2/note/discharge.csv.gz").read_bytes()).decode()
    first = r'1\d{7}-DS-1,1\d{7},2\d{7},DS,1,\d{4}-\d\d-\d\d 00:00:00,\d{4}-\d\d-\d\d \d\d:\d\d:\d\d," \nName:  ___ '
    assert re.match(first, note.partition("\n")[2])


def test_every_note_holds_a_canary_of_its_own_and_every_admission_text_keeps_it(release):
    notes = [text for table in ("discharge", "radiology") for (text,) in rows(release[0], table, "text") if text]
    marks = [re.findall(rf"{CANARY}-\d{{6}}", note) for note in notes]
    assert {len(found) for found in marks} == {1}
    assert len({found[0] for found in marks}) == len(set(notes))
    assert all(re.search(rf"PRESENT ILLNESS: .*{CANARY}-\d{{6}}", example.text) for example in built(release[0])[0])


def test_the_exam_at_discharge_never_reaches_an_admission_text(release):
    endings = [word for of in LAST_EXAM.values() for word in re.findall(r"[\w ]{8,}", of)]
    notes = [text for (text,) in rows(release[0], "discharge", "text")]
    assert any(ending in note for ending in endings for note in notes)
    assert not any(ending in example.text for ending in endings for example in built(release[0])[0])


def test_each_quirk_is_met_by_the_filter_meant_for_it(release):
    examples, log = built(release[0])
    steps = {step: dropped for step, _, dropped in log.filters}
    assert NUM_PATIENTS <= len(examples) <= 2 * NUM_PATIENTS
    assert steps["times-in-order"] == 2  # a negative stay, a death before the admission
    assert steps["with-text"] == 1
    assert steps["no-exact-copies"] == 1  # one text under two admissions
    assert steps["with-report"] == 1  # an addendum only
    assert steps["with-main-section"] == 1  # a dictated note
    assert steps["death-not-told"] == 2  # expired twice in the exam, and in the present illness
    assert log.anomalies == []
    assert ["", "RR"] in rows(release[0], "radiology", "hadm_id", "note_type")
    _, log = built(release[0], Mimic4LengthOfStay)
    assert next(dropped for step, _, dropped in log.filters if step == "with-end-of-stay") == 1


def test_planted_texts_are_there(release):
    texts = [text for (text,) in rows(release[0], "discharge", "text")]
    planted = (
        *("\n \n", "\n\n \nHistory of", "___ on Admission:", "___ Disposition:", "CHIEF COMPLAINT:"),
        *(
            '"as dictated"',
            "patient expired.",
            "Mother died",
            "In the ED,",
            "\nDISCHARGE EXAM: ",
            "Social History:\n___\nF",
        ),
    )
    for words in planted:
        assert any(words in text for text in texts), words


def test_codes_of_both_versions_are_there_and_some_have_no_title(release):
    diagnoses = {tuple(cells) for cells in rows(release[0], "diagnoses_icd", "icd_code", "icd_version")}
    assert {("0389", "9"), ("V3001", "9"), ("E9320", "9"), ("A419", "10"), ("I2510", "10")} <= diagnoses
    titled = {tuple(cells) for cells in rows(release[0], "d_icd_diagnoses", "icd_code", "icd_version")}
    assert diagnoses - titled == {("7999", "9"), ("I2510", "10"), ("Z7901", "10"), ("Z7902", "10"), ("U071", "10")}
    procedures = {tuple(cells) for cells in rows(release[0], "procedures_icd", "icd_code", "icd_version")}
    assert procedures <= {tuple(cells) for cells in rows(release[0], "d_icd_procedures", "icd_code", "icd_version")}
    versions = {}
    for hadm, version in rows(release[0], "diagnoses_icd", "hadm_id", "icd_version"):
        versions.setdefault(hadm, set()).add(version)
    assert sum(len(of) == 2 for of in versions.values()) == 1
    examples, log = built(release[0], Mimic4Diagnoses, icd="both")
    assert len(examples) > NUM_PATIENTS
    assert log.anomalies == []


def test_deaths_agree_in_all_tables(release):
    columns = ("subject_id", "hospital_expire_flag", "deathtime", "discharge_location")
    flags = rows(release[0], "admissions", *columns)
    assert all((flag == "1") == bool(time) == (place == "DIED") for _, flag, time, place in flags)
    dead = {subject for subject, flag, *_ in flags if flag == "1"}
    assert {subject for subject, dod in rows(release[0], "patients", "subject_id", "dod") if dod} == dead


def test_every_code_of_the_invented_hospital_has_a_name_in_icd10():
    needed = {*phrases.GRAVE, *phrases.LIGHT, *phrases.FRAIL, *phrases.ROBUST}
    assert needed <= set(codes.ICD10_DIAGNOSES)
    assert {code for of in phrases.PROCEDURES_OF.values() for code in of} <= set(codes.ICD10_PROCEDURES)


def test_few_patients_hold_no_quirks_and_none_is_refused(tmp_path):
    assert Mimic4().synthesize(tmp_path, num_patients=2, seed=0)["patients"] == 2
    with pytest.raises(BadInput, match="must be at least 1"):
        Mimic4().synthesize(tmp_path, num_patients=0, seed=0)


def test_the_stated_ceilings_are_what_the_true_probabilities_reach():
    hospital = Hospital(11)
    stays = [hospital.admit(hospital.new_patient()) for _ in range(4000)]
    true = [stay.traits.probability for stay in stays]
    assert roc_auc_score([stay.died for stay in stays], true) == pytest.approx(expected_auroc(true), abs=0.015)
    reached = []
    for number, name in enumerate(CLASSES):
        shares = [stay_shares(stay.traits)[number] for stay in stays]
        is_class = [class_of(stay.discharged - stay.admitted) == name for stay in stays]
        assert sum(is_class) == pytest.approx(sum(shares), rel=0.1)
        assert roc_auc_score(is_class, shares) == pytest.approx(expected_auroc(shares), abs=0.02)
        reached.append(expected_auroc(shares))
    assert 0.7 <= sum(reached) / 4 <= 0.9


def test_the_stated_ceilings_are_about_the_same_for_every_seed(release):
    rng = random.Random(5)
    drawn = [Traits.draw(rng) for _ in range(10_000)]
    assert release[1]["best_auroc"] == pytest.approx(expected_auroc(traits.probability for traits in drawn), abs=0.05)
    by_class = list(zip(*(stay_shares(traits) for traits in drawn), strict=True))
    whole = sum(expected_auroc(shares) for shares in by_class) / 4
    assert release[1]["best_stay_auroc"] == pytest.approx(whole, abs=0.05)
