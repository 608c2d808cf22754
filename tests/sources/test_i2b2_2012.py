"""i2b2 2012: which files of which archives are read, and invented releases of exactly that shape."""

import io
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
from clinpeft.sources._i2b2_2012_synthetic import MALFORMED, invent
from clinpeft.sources._xml_notes import Shape, read_note
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2012 import SHAPE, SHORT_TEST, TEST, TRAINING, I2b22012, read_documents
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.i2b2_2012_events import I2b22012Events

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2012-events/in"
FOLDERS = {TRAINING: TRAINING, TEST: "ground_truth"}


def pack(folder: Path, out: Path, folders: dict[str, str] = FOLDERS) -> Path:
    """The release as downloaded: one tar.gz an unpacked folder."""
    out.mkdir(exist_ok=True)
    for archive, inside in folders.items():
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
    return list(I2b22012Events().examples(RawFiles(folder), log)), log


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("i2b2-2012")
    return folder, I2b22012().synthesize(folder, num_patients=60, seed=3)


def test_documents_are_read_by_part_and_number():
    documents = read_documents(RawFiles(GOLDEN))
    assert [(document.part, document.id) for document in documents] == [
        ("train", "23"),
        ("train", "40"),
        ("test", "53"),
    ]
    assert documents[0].extent.path == f"{TRAINING}/23.xml.extent"
    assert documents[2].xml.path == "ground_truth/merged_xml/53.xml"


def test_archives_are_read_like_folders(tmp_path):
    packed = pack(GOLDEN, tmp_path / "packed")
    assert built(packed)[0] == built(GOLDEN)[0]
    raw = RawFiles(packed)
    read_documents(raw)
    assert sorted(raw.used) == [f"{TRAINING}.tar.gz", f"{TEST}.tar.gz"]


def test_an_archive_beside_what_it_unpacks_to_is_not_read_twice(tmp_path):
    out = pack(GOLDEN, tmp_path / "both")
    shutil.copytree(GOLDEN / "ground_truth", out / "ground_truth")
    assert ids(out) == ids(GOLDEN)


def test_the_shorter_test_archive_will_do_and_the_fuller_one_is_preferred(tmp_path):
    short = tmp_path / "2012" / SHORT_TEST
    (short / "xml").mkdir(parents=True)
    shutil.copy(GOLDEN / "ground_truth/merged_xml/53.xml", short / "xml/54.xml")
    shutil.copytree(GOLDEN / TRAINING, tmp_path / "2012" / TRAINING)
    assert ids(tmp_path / "2012")[-1] == ("test", "54")
    packed = pack(tmp_path / "2012", tmp_path / "packed", {TRAINING: TRAINING, SHORT_TEST: SHORT_TEST})
    assert ids(packed)[-1] == ("test", "54")
    pack(GOLDEN, packed, {TEST: "ground_truth"})
    assert ids(packed)[-1] == ("test", "53")
    shutil.copytree(GOLDEN / "ground_truth", tmp_path / "2012/ground_truth")
    assert ids(tmp_path / "2012")[-1] == ("test", "53")


def test_upper_case_names_are_read_alike(tmp_path):
    shutil.copytree(GOLDEN / TRAINING, tmp_path / TRAINING.upper())
    (tmp_path / TRAINING.upper() / "23.xml").rename(tmp_path / TRAINING.upper() / "23.XML")
    assert ids(tmp_path) == [("train", "23"), ("train", "40")]


def test_an_extent_file_may_be_named_without_xml(tmp_path):
    shutil.copytree(GOLDEN / TRAINING, tmp_path / TRAINING)
    path = tmp_path / TRAINING / "40.xml.extent"
    path.rename(path.with_name("40.extent"))
    documents = read_documents(RawFiles(tmp_path))
    assert documents[1].extent.path == f"{TRAINING}/40.extent"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{TRAINING}/copy/23.xml", "stands twice, also as"),
        (f"{TRAINING}/023.XML", "stands twice, also as|the same"),
        (f"{TRAINING}/notes.xml", "is not named <number>.xml"),
        (f"{TRAINING}/99.xml.extent", "has no .xml of the same name"),
        ("elsewhere/99.xml", "lies in no folder of the release"),
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
    with pytest.raises(BadInput, match=r"i2b2-2012: no .xml files were found"):
        read_documents(RawFiles(tmp_path))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_an_archive_are_refused(tmp_path, kind):
    member = tarfile.TarInfo(f"{TRAINING}/1.xml")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / f"{TRAINING}.tar.gz", "w:gz") as tar:
        tar.addfile(member)
    with pytest.raises(BadInput, match="holds a link or a device"):
        read_documents(RawFiles(tmp_path))


def test_members_that_lead_out_of_an_archive_are_refused(tmp_path):
    with tarfile.open(tmp_path / f"{TRAINING}.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../1.xml"), io.BytesIO())
    with pytest.raises(BadInput, match="leads out of the archive"):
        read_documents(RawFiles(tmp_path))


def test_an_archive_cut_short_is_refused(tmp_path, release):
    content = (release[0] / f"{TRAINING}.tar.gz").read_bytes()
    (tmp_path / f"{TRAINING}.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match=f"{TRAINING}.tar.gz: the compressed file"):
        read_documents(RawFiles(tmp_path))


def test_the_source_is_found_by_its_archives_and_its_folders(tmp_path):
    assert I2b22012().is_here(GOLDEN)
    assert I2b22012().is_here(pack(GOLDEN, tmp_path / "i2b2-2012"))
    assert I2b22012().find(tmp_path) == tmp_path / "i2b2-2012"
    assert I2b22012().find(GOLDEN.parent / "out") is None


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path, release):
    I2b22012().synthesize(tmp_path / "other", num_patients=60, seed=4)
    assert contents(tmp_path / "other") != contents(release[0])
    code = (
        "import sys, pathlib; from clinpeft.sources.i2b2_2012 import I2b22012;"
        "I2b22012().synthesize(pathlib.Path(sys.argv[1]), num_patients=60, seed=3)"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], check=True, env=environment)
        assert contents(tmp_path / seed) == contents(release[0])


def test_the_archives_hold_the_folders_of_the_release(tmp_path, release):
    assert sorted(contents(release[0])) == [f"{TRAINING}.tar.gz", f"{TEST}.tar.gz"]
    names = list(contents(unpack(release[0], tmp_path)))
    kinds = Counter((str(Path(name).parent), Path(name).name.partition(".")[2]) for name in names)
    merged = {f"ground_truth/{which}" for which in ("merged", "unmerged")}
    assert kinds == {
        **{(TRAINING, kind): 37 for kind in ("xml", "xml.txt", "xml.extent", "xml.tlink")},
        **{(f"{folder}_xml", "xml"): 23 for folder in merged},
        **{(f"{folder}_i2b2", f"xml.{kind}"): 23 for folder in merged for kind in ("txt", "extent", "tlink")},
    }


def test_the_unpacked_archives_give_the_same_examples(tmp_path, release):
    assert built(unpack(release[0], tmp_path))[0] == built(release[0])[0]


def test_exactly_the_known_files_are_malformed(release):
    strict = Shape(SHAPE.root, SHAPE.marks, SHAPE.others, SHAPE.type_attribute, has_bare_ampersands=False)
    malformed: dict[str, list[int]] = {"train": [], "test": []}
    for document in read_documents(RawFiles(release[0])):
        try:
            read_note(document.xml, strict)
        except BadInput as error:
            assert "is not well-formed XML" in str(error)
            malformed[document.part].append(int(document.id))
    assert (malformed["train"], malformed["test"]) == tuple(map(list, MALFORMED))


def test_the_build_notes_what_was_planted_and_nothing_else(release):
    _, log = built(release[0])
    assert Counter(code for _, _, code in log.anomalies) == {
        "ampersands-repaired": 14,
        "event-without-type": 2,
        "span-shares-word": 4,
        "read-as-cp1252": 2,
        "tag-moved": 1,
        "tag-text-differs": 1,
        "extent-differs": 1,
    }


def test_planted_texts_are_there(tmp_path, release):
    texts = [content for name, content in contents(unpack(release[0], tmp_path)).items() if name.endswith(".xml")]
    for planted in (b"&apos;", b"&quot;", b"&amp;", b"\n He  had\t", b"\r\n", "\U0001f600".encode(), b"\x92s"):
        assert any(planted in text for text in texts), planted


def test_every_document_holds_a_canary_of_its_own(release):
    examples, _ = built(release[0])
    marks = [found[0] for example in examples if (found := re.search(rf"{CANARY}-\d{{6}}", example.text))]
    assert len(marks) == len(set(marks)) == 60


def test_few_documents_hold_no_quirks_and_none_is_refused(tmp_path):
    assert I2b22012().synthesize(tmp_path, num_patients=4, seed=0)["documents"] == 4
    assert built(tmp_path)[1].anomalies == []
    with pytest.raises(BadInput, match="must be at least 1"):
        I2b22012().synthesize(tmp_path, num_patients=0, seed=0)


def test_the_stated_ceiling_is_what_a_reader_who_goes_by_the_wording_reaches(release):
    rng = random.Random(8)
    gold, worded = [], []
    for number in range(400):
        marks = invent(rng, number).marks
        gold.append([f"B-{mark.type}" for mark in marks])
        worded.append([f"B-{mark.worded_type}" for mark in marks])
    reached = f1_score(gold, worded, mode="strict", scheme=IOB2)
    assert reached == pytest.approx(release[1]["best_f1"], abs=0.01)
