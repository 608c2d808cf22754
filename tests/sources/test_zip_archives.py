"""Zip archives as releases come in: what leads out of one, links, bombs and damage are refused by name."""

import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources._archives import files_below
from clinpeft.sources._zip_archives import zip_members
from clinpeft.sources._zip_writing import write_zip
from clinpeft.sources.base import RawFiles

DAY = (2018, 9, 10)


def read(folder, **options):
    return [(file.path, file.content) for file in files_below(RawFiles(folder), (".txt",), ("notes",), (), **options)]


def test_members_are_read_in_order_of_their_paths_without_what_macos_adds(tmp_path):
    members = [
        ("b/2.txt", b"two"),
        ("a/1.TXT", b"one"),
        ("__MACOSX/a/._1.txt", b"x"),
        ("a/._1.txt", b"x"),
        ("c.ann", b""),
    ]
    write_zip(tmp_path / "notes.zip", members, DAY)
    assert read(tmp_path) == [("notes.zip/a/1.TXT", b"one"), ("notes.zip/b/2.txt", b"two")]


def test_the_archive_is_listed_among_the_files_read(tmp_path):
    write_zip(tmp_path / "notes.zip", [("1.txt", b"one")], DAY)
    raw = RawFiles(tmp_path)
    list(files_below(raw, (".txt",), ("notes",), ()))
    assert list(raw.used) == ["notes.zip"]


def test_an_archive_of_another_name_or_beside_its_folder_is_passed_over(tmp_path):
    write_zip(tmp_path / "other.zip", [("1.txt", b"one")], DAY)
    write_zip(tmp_path / "notes.zip", [("2.txt", b"two")], DAY)
    (tmp_path / "Notes").mkdir()
    assert read(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../escape.txt", "/etc/passwd.txt", "a/../../escape.txt", "..\\escape.txt", "C:/a.txt"]
)
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    write_zip(tmp_path / "notes.zip", [(name, b"")], DAY)
    with pytest.raises(BadInput, match=r"^notes.zip: holds a member whose path leads out"):
        read(tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_an_archive_are_refused(tmp_path, kind):
    member = zipfile.ZipInfo("a.txt")
    member.create_system, member.external_attr = 3, (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(BadInput, match=r"holds a link or a device"):
        read(tmp_path)


def test_an_archive_that_unpacks_to_far_more_than_a_release_holds_is_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "notes.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("video.mp4", "w") as file,
    ):
        for _ in range(101):
            file.write(bytes(1_000_000))
    with pytest.raises(BadInput, match=r"^notes.zip: unpacks to far more than a release holds"):
        read(tmp_path)


def test_a_file_too_large_for_a_note_is_refused_packed_or_not(tmp_path):
    write_zip(tmp_path / "notes.zip", [("1.txt", b"seventeen letters")], DAY)
    assert read(tmp_path, largest=17)
    with pytest.raises(BadInput, match=r"^notes.zip/1.txt: is larger than 16 bytes"):
        read(tmp_path, largest=16)
    (tmp_path / "0.txt").write_bytes(b"seventeen letters")
    with pytest.raises(BadInput, match=r"^0.txt: is larger than 16 bytes"):
        read(tmp_path, largest=16)


def test_a_name_that_stands_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        write_zip(tmp_path / "notes.zip", [("1.txt", b"one"), ("1.txt", b"two")], DAY)
    with pytest.raises(BadInput, match=r"^notes.zip/1.txt: stands twice"):
        read(tmp_path)


def test_an_encrypted_archive_is_refused(tmp_path):
    write_zip(tmp_path / "notes.zip", [("1.txt", b"one")], DAY)
    content = bytearray((tmp_path / "notes.zip").read_bytes())
    for header, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(header) + at] |= 1
    (tmp_path / "notes.zip").write_bytes(content)
    with pytest.raises(BadInput, match=r"^notes.zip: is encrypted"):
        read(tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_compressed_otherwise_is_refused_and_not_called_damaged(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w", method) as archive:
        archive.writestr("1.txt", b"one")
    with pytest.raises(BadInput, match=r"^notes.zip: is compressed by another method than deflate; unpack it"):
        read(tmp_path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_an_archive_cut_short_is_refused(tmp_path, share):
    write_zip(tmp_path / "notes.zip", [(f"{number}.txt", bytes(range(256))) for number in range(9)], DAY)
    content = (tmp_path / "notes.zip").read_bytes()
    (tmp_path / "notes.zip").write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadInput, match=r"^notes.zip: the compressed file is damaged"):
        read(tmp_path)


def test_one_altered_byte_in_a_member_is_noticed(tmp_path):
    write_zip(tmp_path / "notes.zip", [("1.txt", bytes(range(256)))], DAY)
    content = bytearray((tmp_path / "notes.zip").read_bytes())
    content[content.index(bytes(range(40, 60))) + 3] ^= 1
    (tmp_path / "notes.zip").write_bytes(content)
    with pytest.raises(BadInput, match=r"^notes.zip: the compressed file is damaged"):
        read(tmp_path)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zip")
    write_zip(folder / "notes.zip", [("a/", b""), ("a/1.txt", b"one"), ("a/2.txt", bytes(range(200)))], DAY)
    return folder, (folder / "notes.zip").read_bytes()


@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4))
def test_an_altered_archive_is_read_or_refused_in_one_line(archive, changes):
    folder, content = archive
    altered = bytearray(content)
    for place, value in changes:
        altered[place % len(altered)] = value
    (folder / "notes.zip").write_bytes(altered)
    try:
        read(folder)
    except BadInput as error:
        assert str(error).startswith("notes.zip")
        assert "\n" not in str(error)


def test_an_archive_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "notes.zip").write_bytes(b"<html>please log in</html>")
    with pytest.raises(BadInput, match=r"^notes.zip: the compressed file is damaged"):
        list(zip_members(RawFiles(tmp_path), tmp_path / "notes.zip", lambda place: True, 100))


def test_written_archives_depend_on_their_members_only(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_zip(tmp_path / name, [("n/", b""), ("n/1.txt", b"one")], DAY)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
