"""i2b2 2014: which files of which archives are read, and invented releases of exactly that shape."""

import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from clinpeft.errors import BadInput
from clinpeft.sources._canary import CANARY
from clinpeft.sources._i2b2_2014_synthetic import AND_FILE, BYTES_FILE, invent
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2014 import (
    PACKED,
    PHI_TYPES,
    SET1,
    SET2,
    TEST,
    I2b22014,
    read_documents,
    read_identifiers,
)
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.i2b2_2014_deid import I2b22014Deid

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2014-deid/in"


def pack(folder: Path, out: Path) -> Path:
    """The release as downloaded: one tar.gz an unpacked folder."""
    out.mkdir()
    for archive, inside in PACKED.items():
        with tarfile.open(out / f"{archive}.tar.gz", "w:gz") as tar:
            tar.add(folder / inside, inside)
    return out


def unpack(folder: Path, out: Path) -> Path:
    for path in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(path) as tar:
            tar.extractall(out, filter="data")
    return out


def ids(folder: Path) -> list[tuple[str, str]]:
    return [(document.part, document.id) for document in read_documents(RawFiles(folder))]


def built(folder: Path):
    log = BuildLog()
    return list(I2b22014Deid().examples(RawFiles(folder), log)), log


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("i2b2-2014")
    return folder, I2b22014().synthesize(folder, num_patients=30, seed=3)


def test_records_are_read_by_part_patient_and_record():
    documents = read_documents(RawFiles(GOLDEN))
    assert [(document.part, document.patient, document.id) for document in documents] == [
        ("train", "110", "110-01"),
        ("train", "110", "110-02"),
        ("train", "180", "180-03"),
        ("train", "188", "188-05"),
        ("test", "300", "300-01"),
        ("test", "301", "301-01"),
    ]


def test_archives_are_read_like_folders(tmp_path):
    packed = pack(GOLDEN, tmp_path / "packed")
    assert built(packed)[0] == built(GOLDEN)[0]
    raw = RawFiles(packed)
    read_documents(raw)
    assert sorted(raw.used) == sorted(f"{archive}.tar.gz" for archive in PACKED)


def test_an_archive_beside_what_it_unpacks_to_is_not_read_twice(tmp_path):
    out = pack(GOLDEN, tmp_path / "both")
    shutil.copytree(GOLDEN / SET1, out / SET1)
    assert ids(out) == ids(GOLDEN)


def test_the_files_of_the_risk_factor_track_are_passed_over(tmp_path):
    raw = RawFiles(GOLDEN)
    read_documents(raw)
    assert not [name for name in raw.used if "RiskFactors" in name]


def test_a_risk_factor_file_in_a_de_identification_folder_is_refused_by_its_root(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    shutil.copy(GOLDEN / "training-RiskFactors-Complete-Set1/110-01.xml", tmp_path / "raw" / SET1 / "110-01.xml")
    with pytest.raises(BadInput, match=r"110-01.xml: its root is not <deIdi2b2>"):
        read_identifiers(read_documents(RawFiles(tmp_path / "raw"))[0])


def test_upper_case_names_are_read_alike(tmp_path):
    shutil.copytree(GOLDEN / SET1, tmp_path / SET1.upper())
    (tmp_path / SET1.upper() / "110-01.xml").rename(tmp_path / SET1.upper() / "110-01.XML")
    assert ids(tmp_path) == [("train", "110-01"), ("train", "110-02")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{SET2}/110-01.xml", "stands twice, also as"),
        (f"{TEST}/110-01.XML", "stands twice, also as"),
        (f"{SET1}/110.xml", "is not named <patient>-<record>.xml"),
        ("elsewhere/110-09.xml", "lies in no folder of the release"),
    ],
)
def test_a_file_that_does_not_belong_is_refused(tmp_path, name, message):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    path = tmp_path / "raw" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    with pytest.raises(BadInput, match=message):
        read_documents(RawFiles(tmp_path / "raw"))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"i2b2-2014: no .xml files were found"):
        read_documents(RawFiles(tmp_path))


def test_the_source_is_found_by_its_archives_and_its_folders(tmp_path):
    assert I2b22014().is_here(GOLDEN)
    assert I2b22014().is_here(pack(GOLDEN, tmp_path / "i2b2-2014"))
    assert I2b22014().find(tmp_path) == tmp_path / "i2b2-2014"
    assert I2b22014().find(GOLDEN.parent / "out") is None


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path, release):
    I2b22014().synthesize(tmp_path / "other", num_patients=30, seed=4)
    assert contents(tmp_path / "other") != contents(release[0])
    code = (
        "import sys, pathlib; from clinpeft.sources.i2b2_2014 import I2b22014;"
        "I2b22014().synthesize(pathlib.Path(sys.argv[1]), num_patients=30, seed=3)"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], check=True, env=environment)
        assert contents(tmp_path / seed) == contents(release[0])


def test_the_archives_hold_the_folders_of_the_release(tmp_path, release):
    assert sorted(contents(release[0])) == sorted(f"{archive}.tar.gz" for archive in PACKED)
    names = [Path(name) for name in contents(unpack(release[0], tmp_path))]
    assert {str(name.parent) for name in names} == {SET1, SET2, TEST}
    assert all(re.fullmatch(r"\d{3}-\d{2}\.xml", name.name) for name in names)
    assert len(names) == release[1]["documents"]
    assert (Path(SET2) / f"{BYTES_FILE}.xml") in names
    assert (Path(SET2) / f"{AND_FILE}.xml") in names
    patients = {
        folder: {name.name[:3] for name in names if str(name.parent) == folder} for folder in (SET1, SET2, TEST)
    }
    assert not patients[SET1] & patients[SET2] and not (patients[SET1] | patients[SET2]) & patients[TEST]


def test_the_unpacked_archives_give_the_same_examples(tmp_path, release):
    assert built(unpack(release[0], tmp_path))[0] == built(release[0])[0]


def test_the_build_notes_what_was_planted_and_nothing_else(release):
    _, log = built(release[0])
    moved = [Path(file).stem for file, _, code in log.anomalies if code == "tag-moved"]
    assert moved == [BYTES_FILE, BYTES_FILE]
    assert Counter(code for _, _, code in log.anomalies) == {
        "tag-moved": 2,
        "read-as-cp1252": 2,
        "span-off-token-edges": 2,
    }


def test_planted_texts_are_there(tmp_path, release):
    texts = [content for name, content in contents(unpack(release[0], tmp_path)).items()]
    for planted in (
        *(b'text="Penny and Daughters"', b"Penny & Daughters", b"Oak Valley\r\nHospital", b'text="GranbyFalls"'),
        *(b"10/12/2080/10/14/2080", b"67yo", b"Portuguese", b"\r\n", b"\x92s son", "\U0001f600".encode()),
    ):
        assert any(planted in text for text in texts), planted


def test_all_types_of_the_release_but_the_rarest_occur(release):
    examples, _ = built(release[0])
    found = {span.label for example in examples for span in example.spans}
    assert len(found) >= 20
    assert found <= set(PHI_TYPES)


def test_every_record_holds_a_canary_of_its_own(release):
    examples, _ = built(release[0])
    marks = [found[0] for example in examples if (found := re.search(rf"{CANARY}-\d{{6}}", example.text))]
    assert len(marks) == len(set(marks)) == release[1]["documents"]


def test_few_patients_hold_no_quirks_and_none_is_refused(tmp_path):
    assert I2b22014().synthesize(tmp_path, num_patients=4, seed=0)["patients"] == 4
    assert built(tmp_path)[1].anomalies == []
    with pytest.raises(BadInput, match="must be at least 1"):
        I2b22014().synthesize(tmp_path, num_patients=0, seed=0)


def test_the_stated_ceiling_is_what_a_reader_who_goes_by_the_wording_reaches(release):
    rng = random.Random(8)
    gold, worded = [], []
    for number in range(400):
        marks = invent(rng, number).marks
        gold.append([f"B-{mark.type}" for mark in marks])
        worded.append([f"B-{mark.worded_type}" for mark in marks])
    reached = f1_score(gold, worded, mode="strict", scheme=IOB2)
    assert reached == pytest.approx(release[1]["best_f1"], abs=0.01)
