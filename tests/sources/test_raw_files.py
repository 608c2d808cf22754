"""RawFiles: what was read is listed with its checksum, which one reading gives."""

import gzip
import hashlib
import zipfile
from pathlib import Path

import pytest

from clinpeft.sources import base
from clinpeft.sources.base import RawFiles

CONTENT = b"ROW_ID\n1\n" * 10_000


class HashingFiles(RawFiles):
    hashes_while_reading = True


@pytest.fixture
def raw(tmp_path: Path) -> RawFiles:
    (tmp_path / "plain.csv").write_bytes(CONTENT)
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(CONTENT) * 2)
    return HashingFiles(tmp_path)


@pytest.mark.parametrize(("name", "content"), [("plain.csv", CONTENT), ("packed.csv.gz", CONTENT * 2)])
def test_a_file_read_to_its_end_is_not_read_again_for_its_checksum(raw, monkeypatch, name, content):
    path = raw.root / name
    with raw.open_binary(path) as file:
        assert file.read() == content
    monkeypatch.setattr(base, "sha256_file", None)
    assert raw.checksums() == [(name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())]


def test_a_file_read_in_part_or_with_leaps_has_the_checksum_of_all_of_it(raw):
    path = raw.root / "plain.csv"
    with raw.open_binary(path) as file:
        file.readline()
    with zipfile.ZipFile(raw.root / "z.zip", "w") as archive:
        archive.writestr("member", "text")
    with raw.open_binary(raw.root / "z.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("member") == b"text"
    for name, _, sha in raw.checksums():
        assert sha == hashlib.sha256((raw.root / name).read_bytes()).hexdigest()
