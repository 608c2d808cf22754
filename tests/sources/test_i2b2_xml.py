"""i2b2 2012 and 2014: which files of which archives are read, and invented releases of exactly that shape."""

import io
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from clinpeft.errors import BadInput
from clinpeft.sources import _i2b2_2012_synthetic, _i2b2_2014_synthetic, i2b2_2012, i2b2_2014
from clinpeft.sources._canary import CANARY
from clinpeft.sources._i2b2_2012_synthetic import MALFORMED
from clinpeft.sources._i2b2_2014_synthetic import AND_FILE, BYTES_FILE
from clinpeft.sources._xml_notes import Shape, read_note
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2012 import SHAPE, SHORT_TEST, TRAINING
from clinpeft.sources.i2b2_2014 import PACKED, PHI_TYPES, SET1, SET2
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.i2b2_2012_events import I2b22012Events
from clinpeft.tasks.i2b2_2014_deid import I2b22014Deid

TEST_2012, TEST_2014 = i2b2_2012.TEST, i2b2_2014.TEST


@dataclass(frozen=True)
class Corpus:
    """One of the two releases."""

    name: str
    source: type
    task: type
    read: Callable[[RawFiles], list[Any]]
    folders: dict[str, str]
    """What each archive unpacks to."""
    synthetic: Any
    num_patients: int

    @property
    def golden(self) -> Path:
        """The folder with the hand-made files."""
        return (
            Path(__file__).resolve().parents[1] / f"golden/{self.task.__module__.split('.')[-1].replace('_', '-')}/in"
        )

    def ids(self, folder: Path) -> list[tuple[str, str]]:
        return [(document.part, document.id) for document in self.read(RawFiles(folder))]

    def built(self, folder: Path) -> tuple[list[Any], BuildLog]:
        log = BuildLog()
        return list(self.task().examples(RawFiles(folder), log)), log

    def pack(self, folder: Path, out: Path, folders: dict[str, str] | None = None) -> Path:
        """The release as downloaded: one tar.gz an unpacked folder."""
        out.mkdir(exist_ok=True)
        for archive, inside in (folders or self.folders).items():
            with tarfile.open(out / f"{archive}.tar.gz", "w:gz") as tar:
                tar.add(folder / inside, inside)
        return out


OF_2012 = Corpus(
    "i2b2-2012",
    i2b2_2012.I2b22012,
    I2b22012Events,
    i2b2_2012.read_documents,
    {TRAINING: TRAINING, TEST_2012: "ground_truth"},
    _i2b2_2012_synthetic,
    60,
)
OF_2014 = Corpus(
    "i2b2-2014", i2b2_2014.I2b22014, I2b22014Deid, i2b2_2014.read_documents, PACKED, _i2b2_2014_synthetic, 30
)


def unpack(folder: Path, out: Path) -> Path:
    for path in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(path) as tar:
            tar.extractall(out, filter="data")
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(params=[OF_2012, OF_2014], ids=lambda corpus: corpus.name)
def corpus(request):
    """Each of the two."""
    return request.param


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Folder and facts of an invented release, by the corpus's name."""
    made = {}
    for one in (OF_2012, OF_2014):
        folder = tmp_path_factory.mktemp(one.name)
        made[one.name] = folder, one.source().synthesize(folder, num_patients=one.num_patients, seed=3)
    return made


def test_archives_are_read_like_folders(tmp_path, corpus):
    packed = corpus.pack(corpus.golden, tmp_path / "packed")
    assert corpus.built(packed)[0] == corpus.built(corpus.golden)[0]
    raw = RawFiles(packed)
    corpus.read(raw)
    assert sorted(raw.used) == sorted(f"{archive}.tar.gz" for archive in corpus.folders)


def test_an_archive_beside_what_it_unpacks_to_is_not_read_twice(tmp_path, corpus):
    for number, inside in enumerate(corpus.folders.values()):
        out = corpus.pack(corpus.golden, tmp_path / str(number))
        shutil.copytree(corpus.golden / inside, out / inside)
        assert corpus.ids(out) == corpus.ids(corpus.golden)


@pytest.mark.parametrize(
    ("corpus", "name", "message"),
    [
        (OF_2012, f"{TRAINING}/copy/23.xml", "stands twice, also as"),
        (OF_2012, f"{TRAINING}/023.XML", "stands twice, also as|the same"),
        (OF_2012, f"{TRAINING}/notes.xml", "is not named <number>.xml"),
        (OF_2012, f"{TRAINING}/99.xml.extent", "has no .xml of the same name"),
        (OF_2012, "elsewhere/99.xml", "lies in no folder of the release"),
        (OF_2014, f"{SET2}/110-01.xml", "stands twice, also as"),
        (OF_2014, f"{TEST_2014}/110-01.XML", "stands twice, also as"),
        (OF_2014, f"{SET1}/110.xml", "is not named <patient>-<record>.xml"),
        (OF_2014, "elsewhere/110-09.xml", "lies in no folder of the release"),
    ],
)
def test_a_file_that_does_not_belong_is_refused(tmp_path, corpus, name, message):
    shutil.copytree(corpus.golden, tmp_path / "raw")
    path = tmp_path / "raw" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    with pytest.raises(BadInput, match=message):
        corpus.read(RawFiles(tmp_path / "raw"))


def test_an_empty_folder_is_refused(tmp_path, corpus):
    with pytest.raises(BadInput, match=f"{corpus.name}: no .xml files were found"):
        corpus.read(RawFiles(tmp_path))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_an_archive_are_refused(tmp_path, corpus, kind):
    archive, inside = next(iter(corpus.folders.items()))
    member = tarfile.TarInfo(f"{inside}/1.xml")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / f"{archive}.tar.gz", "w:gz") as tar:
        tar.addfile(member)
    with pytest.raises(BadInput, match="holds a link or a device"):
        corpus.read(RawFiles(tmp_path))


def test_members_that_lead_out_of_an_archive_are_refused(tmp_path, corpus):
    with tarfile.open(tmp_path / f"{next(iter(corpus.folders))}.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../1.xml"), io.BytesIO())
    with pytest.raises(BadInput, match="leads out of the archive"):
        corpus.read(RawFiles(tmp_path))


def test_an_archive_cut_short_is_refused(tmp_path, corpus, releases):
    name = f"{next(iter(corpus.folders))}.tar.gz"
    content = (releases[corpus.name][0] / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match=f"{name}: the compressed file"):
        corpus.read(RawFiles(tmp_path))


def test_the_source_is_found_by_its_archives_and_its_folders(tmp_path, corpus):
    source = corpus.source()
    assert source.is_here(corpus.golden)
    assert source.is_here(corpus.pack(corpus.golden, tmp_path / corpus.name))
    assert source.find(tmp_path) == tmp_path / corpus.name
    assert source.find(corpus.golden.parent / "out") is None


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path, corpus, releases):
    made, _ = releases[corpus.name]
    corpus.source().synthesize(tmp_path / "other", num_patients=corpus.num_patients, seed=4)
    assert contents(tmp_path / "other") != contents(made)
    code = (
        "import sys, pathlib; from clinpeft.sources.base import SOURCES;"
        f"SOURCES.get('{corpus.name}')().synthesize(pathlib.Path(sys.argv[1]), num_patients={corpus.num_patients}, "
        "seed=3)"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], check=True, env=environment)
        assert contents(tmp_path / seed) == contents(made)


def test_the_unpacked_archives_give_the_same_examples(tmp_path, corpus, releases):
    made, _ = releases[corpus.name]
    assert corpus.built(unpack(made, tmp_path))[0] == corpus.built(made)[0]


def test_every_document_holds_a_canary_of_its_own(corpus, releases):
    made, facts = releases[corpus.name]
    examples, _ = corpus.built(made)
    marks = [found[0] for example in examples if (found := re.search(rf"{CANARY}-\d{{6}}", example.text))]
    assert len(marks) == len(set(marks)) == facts["documents"]


def test_few_patients_hold_no_quirks_and_none_is_refused(tmp_path, corpus):
    corpus.source().synthesize(tmp_path, num_patients=4, seed=0)
    assert corpus.built(tmp_path)[1].anomalies == []
    with pytest.raises(BadInput, match="must be at least 1"):
        corpus.source().synthesize(tmp_path, num_patients=0, seed=0)


def test_the_stated_ceiling_is_what_a_reader_who_goes_by_the_wording_reaches(corpus, releases):
    rng = random.Random(8)
    gold, worded = [], []
    for number in range(400):
        marks = corpus.synthetic.invent(rng, number).marks
        gold.append([f"B-{mark.type}" for mark in marks])
        worded.append([f"B-{mark.worded_type}" for mark in marks])
    reached = f1_score(gold, worded, mode="strict", scheme=IOB2)
    assert reached == pytest.approx(releases[corpus.name][1]["best_f1"], abs=0.01)


def test_documents_of_2012_are_read_by_part_and_number():
    documents = OF_2012.read(RawFiles(OF_2012.golden))
    assert OF_2012.ids(OF_2012.golden) == [("train", "23"), ("train", "40"), ("test", "53")]
    assert documents[0].extent.path == f"{TRAINING}/23.xml.extent"
    assert documents[2].xml.path == "ground_truth/merged_xml/53.xml"


def test_the_shorter_test_archive_will_do_and_the_fuller_one_is_preferred(tmp_path):
    golden, last = OF_2012.golden, lambda folder: OF_2012.ids(folder)[-1]
    short = tmp_path / "2012" / SHORT_TEST
    (short / "xml").mkdir(parents=True)
    shutil.copy(golden / "ground_truth/merged_xml/53.xml", short / "xml/54.xml")
    shutil.copytree(golden / TRAINING, tmp_path / "2012" / TRAINING)
    assert last(tmp_path / "2012") == ("test", "54")
    packed = OF_2012.pack(tmp_path / "2012", tmp_path / "packed", {TRAINING: TRAINING, SHORT_TEST: SHORT_TEST})
    assert last(packed) == ("test", "54")
    OF_2012.pack(golden, packed, {TEST_2012: "ground_truth"})
    assert last(packed) == ("test", "53")
    shutil.copytree(golden / "ground_truth", tmp_path / "2012/ground_truth")
    assert last(tmp_path / "2012") == ("test", "53")


@pytest.mark.parametrize(
    ("corpus", "inside", "name", "expected"),
    [
        (OF_2012, TRAINING, "23.xml", [("train", "23"), ("train", "40")]),
        (OF_2014, SET1, "110-01.xml", [("train", "110-01"), ("train", "110-02")]),
    ],
)
def test_upper_case_names_are_read_alike(tmp_path, corpus, inside, name, expected):
    shutil.copytree(corpus.golden / inside, tmp_path / inside.upper())
    (tmp_path / inside.upper() / name).rename(tmp_path / inside.upper() / name.upper())
    assert corpus.ids(tmp_path) == expected


def test_an_extent_file_may_be_named_without_xml(tmp_path):
    shutil.copytree(OF_2012.golden / TRAINING, tmp_path / TRAINING)
    path = tmp_path / TRAINING / "40.xml.extent"
    path.rename(path.with_name("40.extent"))
    assert OF_2012.read(RawFiles(tmp_path))[1].extent.path == f"{TRAINING}/40.extent"


def test_the_archives_of_2012_hold_the_folders_of_the_release(tmp_path, releases):
    made, _ = releases["i2b2-2012"]
    assert sorted(contents(made)) == [f"{TRAINING}.tar.gz", f"{TEST_2012}.tar.gz"]
    names = list(contents(unpack(made, tmp_path)))
    kinds = Counter((str(Path(name).parent), Path(name).name.partition(".")[2]) for name in names)
    merged = {f"ground_truth/{which}" for which in ("merged", "unmerged")}
    assert kinds == {
        **{(TRAINING, kind): 37 for kind in ("xml", "xml.txt", "xml.extent", "xml.tlink")},
        **{(f"{folder}_xml", "xml"): 23 for folder in merged},
        **{(f"{folder}_i2b2", f"xml.{kind}"): 23 for folder in merged for kind in ("txt", "extent", "tlink")},
    }


def test_exactly_the_known_files_of_2012_are_malformed(releases):
    strict = Shape(SHAPE.root, SHAPE.marks, SHAPE.others, SHAPE.type_attribute, has_bare_ampersands=False)
    malformed: dict[str, list[int]] = {"train": [], "test": []}
    for document in OF_2012.read(RawFiles(releases["i2b2-2012"][0])):
        try:
            read_note(document.xml, strict)
        except BadInput as error:
            assert "is not well-formed XML" in str(error)
            malformed[document.part].append(int(document.id))
    assert (malformed["train"], malformed["test"]) == tuple(map(list, MALFORMED))


@pytest.mark.parametrize(
    ("corpus", "planted"),
    [
        (
            OF_2012,
            {
                "ampersands-repaired": 14,
                "event-without-type": 2,
                "span-shares-word": 4,
                "read-as-cp1252": 2,
                "tag-moved": 1,
                "tag-text-differs": 1,
                "extent-differs": 1,
            },
        ),
        (OF_2014, {"tag-moved": 2, "read-as-cp1252": 2, "span-off-token-edges": 2}),
    ],
)
def test_the_build_notes_what_was_planted_and_nothing_else(corpus, planted, releases):
    _, log = corpus.built(releases[corpus.name][0])
    assert Counter(code for _, _, code in log.anomalies) == planted
    moved = {Path(file).stem for file, _, code in log.anomalies if code == "tag-moved"}
    assert moved == {BYTES_FILE} or corpus is OF_2012


@pytest.mark.parametrize(
    ("corpus", "texts"),
    [
        (OF_2012, (b"&apos;", b"&quot;", b"&amp;", b"\n He  had\t", b"\r\n", "\U0001f600".encode(), b"\x92s")),
        (
            OF_2014,
            (
                *(b'text="Penny and Daughters"', b"Penny & Daughters", b"Oak Valley\r\nHospital"),
                *(b'text="GranbyFalls"', b"10/12/2080/10/14/2080", b"67yo", b"Portuguese", b"\r\n", b"\x92s son"),
                "\U0001f600".encode(),
            ),
        ),
    ],
)
def test_planted_texts_are_there(tmp_path, corpus, texts, releases):
    files = contents(unpack(releases[corpus.name][0], tmp_path))
    notes = [content for name, content in files.items() if name.endswith(".xml")]
    for planted in texts:
        assert any(planted in note for note in notes), planted


def test_records_of_2014_are_read_by_part_patient_and_record():
    documents = OF_2014.read(RawFiles(OF_2014.golden))
    assert [(document.part, document.patient, document.id) for document in documents] == [
        ("train", "110", "110-01"),
        ("train", "110", "110-02"),
        ("train", "180", "180-03"),
        ("train", "188", "188-05"),
        ("test", "300", "300-01"),
        ("test", "301", "301-01"),
    ]


def test_the_files_of_the_risk_factor_track_are_passed_over():
    raw = RawFiles(OF_2014.golden)
    OF_2014.read(raw)
    assert not [name for name in raw.used if "RiskFactors" in name]


def test_a_risk_factor_file_in_a_de_identification_folder_is_refused_by_its_root(tmp_path):
    shutil.copytree(OF_2014.golden, tmp_path / "raw")
    other = OF_2014.golden / "training-RiskFactors-Complete-Set1/110-01.xml"
    shutil.copy(other, tmp_path / "raw" / SET1 / "110-01.xml")
    with pytest.raises(BadInput, match=r"110-01.xml: its root is not <deIdi2b2>"):
        i2b2_2014.read_identifiers(OF_2014.read(RawFiles(tmp_path / "raw"))[0])


def test_the_archives_of_2014_hold_the_folders_of_the_release(tmp_path, releases):
    made, facts = releases["i2b2-2014"]
    assert sorted(contents(made)) == sorted(f"{archive}.tar.gz" for archive in PACKED)
    names = [Path(name) for name in contents(unpack(made, tmp_path))]
    assert {str(name.parent) for name in names} == {SET1, SET2, TEST_2014}
    assert all(re.fullmatch(r"\d{3}-\d{2}\.xml", name.name) for name in names)
    assert len(names) == facts["documents"]
    assert (Path(SET2) / f"{BYTES_FILE}.xml") in names
    assert (Path(SET2) / f"{AND_FILE}.xml") in names
    of_patients = [
        {name.name[:3] for name in names if str(name.parent) == folder} for folder in (SET1, SET2, TEST_2014)
    ]
    assert sum(map(len, of_patients)) == len(set().union(*of_patients))


def test_all_types_of_2014_but_the_rarest_occur(releases):
    examples, _ = OF_2014.built(releases["i2b2-2014"][0])
    found = {span.label for example in examples for span in example.spans}
    assert len(found) >= 20
    assert found <= set(PHI_TYPES)
