"""Tar archives whose headers lie: none fills the memory, and none ends in anything but one line."""

import gzip
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources import _damage
from clinpeft.sources._archives import files_below
from clinpeft.sources._tar_writing import write_tar_gz
from clinpeft.sources.base import RawFiles


def read(folder):
    return [(file.path, file.content) for file in files_below(RawFiles(folder), (".txt",), ("notes",), ())]


def header(kind, size):
    member = tarfile.TarInfo("notes/1.txt")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_larger_than_a_release_is_not_read_to_its_end(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(_damage, "UNPACKED_AT_LEAST", 1 << 20)
    (tmp_path / "notes.tar.gz").write_bytes(gzip.compress(header(kind, 1 << 22) + bytes(1 << 22)))
    with pytest.raises(BadInput, match=r"^notes.tar.gz: unpacks to far more than a release holds"):
        read(tmp_path)


def test_headers_nested_without_end_are_damage(tmp_path):
    nested = header(tarfile.GNUTYPE_LONGNAME, 2) + b"a\0" + bytes(510)
    (tmp_path / "notes.tar.gz").write_bytes(gzip.compress(nested * 5_000))
    with pytest.raises(BadInput, match=r"^notes.tar.gz: the compressed file is damaged"):
        read(tmp_path)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tar")
    write_tar_gz(folder / "notes.tar.gz", [("notes/1.txt", b"one"), ("notes/2.txt", b"two"), ("notes/3.md", b"")])
    return folder, gzip.decompress((folder / "notes.tar.gz").read_bytes())


@given(st.data())
def test_an_altered_archive_is_read_or_refused_in_one_line(archive, data):
    folder, content = archive
    altered = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, 5 * 512))
        field = data.draw(st.sampled_from([0, 100, 124, 148, 156, 157, 257, 345, 386, 482, 483]))
        place = min(start - start % 512 + field + data.draw(st.integers(0, 11)), len(altered) - 1)
        altered[place] = data.draw(st.sampled_from([*b"0179xgLKSD/. =\0\x80\xff"]))
    for at in (0, 1024, 2048):  # with sums that are right, so that more than the first field is looked at
        if data.draw(st.booleans()):
            total = sum(altered[at : at + 148]) + sum(altered[at + 156 : at + 512]) + 8 * 32
            altered[at + 148 : at + 156] = f"{total:06o}\0 ".encode()
    (folder / "notes.tar.gz").write_bytes(gzip.compress(bytes(altered), 1))
    try:
        read(folder)
    except BadInput as error:
        assert str(error).startswith("notes.tar.gz")
        assert "\n" not in str(error)
