from __future__ import annotations

import hashlib
import hmac
import os
import stat
import threading
from pathlib import Path

import pytest

from clinpeft.data.site import hashed_id, make_private_folder, site_key, site_key_path
from clinpeft.errors import BadInput


def test_the_key_is_made_once_and_only_its_owner_can_read_it(site_key_file: Path) -> None:
    before = os.umask(0)
    try:
        first = site_key()
    finally:
        os.umask(before)

    assert site_key() == first == site_key_file.read_bytes()
    assert len(first) == 32
    assert stat.S_IMODE(site_key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(site_key_file.parent.stat().st_mode) == 0o700
    assert [path.name for path in site_key_file.parent.iterdir()] == ["site.key"]


def test_processes_that_race_for_the_first_key_get_the_same(site_key_file: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(site_key())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 16
    assert len(set(keys)) == 1


def test_the_key_lies_in_the_configuration_folder_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CLINPEFT_SITE_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert site_key_path() == tmp_path / "clinpeft" / "site.key"

    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert site_key_path() == tmp_path / ".config" / "clinpeft" / "site.key"


def test_a_key_of_another_length_is_refused(site_key_file: Path) -> None:
    make_private_folder(site_key_file.parent)
    site_key_file.write_bytes(b"short")

    with pytest.raises(BadInput, match="no site key of 32 bytes"):
        site_key()


def test_a_key_that_others_can_read_is_refused(site_key_file: Path) -> None:
    site_key()
    site_key_file.chmod(0o644)

    with pytest.raises(BadInput, match="chmod 600"):
        site_key()


def test_an_id_is_the_start_of_an_hmac_over_kind_source_and_id() -> None:
    key = bytes(range(32))
    expected = hmac.new(key, b"subject|mimic3|10006", hashlib.sha256).hexdigest()[:16]

    assert hashed_id(key, "subject", "mimic3", "10006") == expected
    assert hashed_id(key, "document", "mimic3", "10006") != expected
