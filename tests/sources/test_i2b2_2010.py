"""i2b2/VA 2010: folders and archives, and how texts and annotations are paired."""

import gzip
import io
import shutil
import tarfile
from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, text_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import ARCHIVES, I2b22010, read_documents

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2010-concepts/in"
GOOD = b'c="fever" 1:0 1:0||t="problem"\n'


def write(folder: Path, **files: bytes) -> RawFiles:
    """Files of the test part by name; `a_con` is the concept file of a."""
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        parent = folder / ("test_data" if suffix == "txt" else "reference_standard_for_test_data/concepts")
        parent.mkdir(parents=True, exist_ok=True)
        (parent / f"{stem}.{suffix}").write_bytes(content)
    return RawFiles(folder)


def pack(folder: Path, out: Path) -> Path:
    """The release as downloaded: one tar.gz an unpacked folder."""
    out.mkdir()
    for archive in ARCHIVES:
        with tarfile.open(out / f"{archive}.tar.gz", "w:gz") as tar:
            tar.add(folder / archive, archive)
    return out


def test_documents_are_paired_by_name_and_ordered_by_part():
    documents = read_documents(RawFiles(GOLDEN))
    assert [(document.part, document.id) for document in documents] == [
        ("beth", "record-1"),
        ("beth", "record-2"),
        ("partners", "010"),
        ("test", "0001"),
        ("test", "0002"),
    ]
    assert documents[0].annotations["con"].path == f"{ARCHIVES[0]}/beth/concept/record-1.con"


def test_archives_are_read_like_folders(tmp_path):
    unpacked, packed = RawFiles(GOLDEN), RawFiles(pack(GOLDEN, tmp_path / "packed"))
    contents = [
        [(document.id, document.text.content, document.annotations.get("con")) for document in read_documents(raw)]
        for raw in (unpacked, packed)
    ]
    assert [row[:2] for row in contents[0]] == [row[:2] for row in contents[1]]
    assert [row[2] and row[2].content for row in contents[0]] == [row[2] and row[2].content for row in contents[1]]
    assert sorted(packed.used) == sorted(f"{archive}.tar.gz" for archive in ARCHIVES)


def test_an_archive_beside_its_folder_is_not_read_twice(tmp_path):
    out = pack(GOLDEN, tmp_path / "both")
    shutil.copytree(GOLDEN / "test_data", out / "test_data")
    raw = RawFiles(out)
    assert len(read_documents(raw)) == 5
    assert "test_data.tar.gz" not in raw.used


def test_the_listing_names_every_file_read_and_no_other():
    raw = RawFiles(GOLDEN)
    read_documents(raw)
    names = {name.rpartition("/")[2] for name in raw.used}
    assert {"record-1.txt", "record-1.con", "0002.txt"} <= names
    assert not names & {"099.txt", "._0002.txt", "0003.con"}


@pytest.mark.parametrize("name", ["../escape.txt", "/etc/passwd.txt", "test_data/../../escape.txt"])
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    with tarfile.open(tmp_path / "test_data.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(BadInput, match=r"test_data.tar.gz: holds a member whose path leads out"):
        read_documents(RawFiles(tmp_path))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_an_archive_are_refused(tmp_path, kind):
    member = tarfile.TarInfo("test_data/a.txt")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "test_data.tar.gz", "w:gz") as tar:
        tar.addfile(member)
    with pytest.raises(BadInput, match=r"holds a link or a device"):
        read_documents(RawFiles(tmp_path))


@pytest.mark.parametrize("is_member", [True, False], ids=["a member", "behind the members"])
def test_an_archive_that_unpacks_to_far_more_than_notes_is_refused(tmp_path, is_member):
    path = tmp_path / "test_data.tar.gz"
    with gzip.open(path, "wb") as file:
        if is_member:
            member = tarfile.TarInfo("test_data/video.mp4")
            member.size = 110 << 20
            file.write(member.tobuf())
        else:
            file.write(bytes(1 << 10))
            for _ in range(110):
                file.write(bytes(1 << 20))
    with pytest.raises(BadInput, match=r"^test_data.tar.gz: unpacks to far more than a release holds"):
        read_documents(RawFiles(tmp_path))


def test_an_archive_cut_short_is_refused(tmp_path):
    out = pack(GOLDEN, tmp_path / "cut")
    path = out / f"{ARCHIVES[0]}.tar.gz"
    for kept in (0.5, 0.99):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / path.name).write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        with pytest.raises(BadInput, match=f"{path.name}: the compressed file"):
            read_documents(RawFiles(tmp_path / "one"))


def test_an_archive_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "test_data.tar.gz").write_bytes(b"<html>please log in</html>")
    with pytest.raises(BadInput, match=r"test_data.tar.gz: the compressed file is damaged"):
        read_documents(RawFiles(tmp_path))


def test_concepts_without_their_text_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"concepts/a.con: has no .txt of the same name"):
        read_documents(write(tmp_path, a_con=GOOD))


def test_a_training_text_without_concepts_is_refused(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    (tmp_path / "raw" / ARCHIVES[0] / "beth/concept/record-1.con").unlink()
    with pytest.raises(BadInput, match=r"record-1.txt: has no .con of the same name"):
        read_documents(RawFiles(tmp_path / "raw"))


def test_test_texts_without_any_reference_standard_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"a.txt: and all test texts are without .con; unpack reference_standard"):
        read_documents(write(tmp_path, a_txt=b"x\n"))


@pytest.mark.parametrize("other", ["a.con", "A.con"])
def test_two_files_of_one_name_in_two_folders_are_refused(tmp_path, other):
    raw = write(tmp_path, a_txt=b"fever\n", a_con=GOOD)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / other).write_bytes(GOOD)
    with pytest.raises(BadInput, match=r"stands twice"):
        read_documents(raw)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"no .txt files were found"):
        read_documents(RawFiles(tmp_path))


def test_the_source_is_found_by_its_folders_and_its_archives(tmp_path):
    assert I2b22010().is_here(GOLDEN)
    assert I2b22010().is_here(GOLDEN / ARCHIVES[0])
    assert I2b22010().is_here(pack(GOLDEN, tmp_path / "i2b2-2010"))
    assert I2b22010().find(tmp_path) == tmp_path / "i2b2-2010"
    assert I2b22010().find(GOLDEN.parent / "out") is None


def test_text_is_utf8_else_cp1252_else_refused():
    assert text_of(RawText("a.txt", "\ufeffna\u00efve".encode())) == ("na\u00efve", False)
    assert text_of(RawText("a.txt", "the patient\u2019s".encode("cp1252"))) == ("the patient\u2019s", True)
    with pytest.raises(BadInput, match=r"a.txt, byte 2: is neither UTF-8 nor cp1252"):
        text_of(RawText("a.txt", b"ab\x81"))
    with pytest.raises(BadInput, match=r"a.txt, byte 1: is a NUL byte"):
        text_of(RawText("a.txt", b"a\x00"))


def test_the_text_of_a_file_is_not_shown():
    assert "ZQX" not in repr(read_documents(RawFiles(GOLDEN)))
