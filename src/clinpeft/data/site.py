"""The site's secret and the keyed hashes made with it: ids of patients never leave the raw files in clear.

The secret lies outside studies and datasets, so that a dataset handed on does not carry the means to guess its ids,
and so that all tasks of a source, built at any time at one site, call a patient alike.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import uuid
from pathlib import Path
from typing import Literal

from clinpeft.errors import BadInput

KEY_BYTES = 32

IdKind = Literal["example", "subject", "document"]


def site_key_path() -> Path:
    """Where the secret lies: `$CLINPEFT_SITE_KEY`, else `clinpeft/site.key` in the user's configuration folder."""
    if given := os.environ.get("CLINPEFT_SITE_KEY"):
        return Path(given)
    configuration = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(configuration) / "clinpeft" / "site.key"


def site_key() -> bytes:
    """The site's secret, 32 bytes; made on first use, readable by its owner only.

    Raises BadInput when the file is no such key or others may read it.
    """
    path = site_key_path()
    if not path.exists():
        _create(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise BadInput(
            str(path), f"is no site key of {KEY_BYTES} bytes", "restore it; a new key changes every hashed id"
        )
    if path.stat().st_mode & 0o077:
        raise BadInput(str(path), "others can read the site's secret", "chmod 600 it")
    return key


def hashed_id(key: bytes, kind: IdKind, source: str, id_: str) -> str:
    """First 16 hex digits of the HMAC-SHA256 of a source's id under the site's secret."""
    return hmac.new(key, f"{kind}|{source}|{id_}".encode(), hashlib.sha256).hexdigest()[:16]


def make_private_folder(path: Path) -> None:
    """Create `path` and what is missing above it with mode 0700, whatever the umask; an existing folder stays as is."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)


def _create(path: Path) -> None:
    """Two processes may get here at once: the key appears whole by a link, and the first link wins."""
    make_private_folder(path.parent)
    temporary = path.parent / f".{path.name}.tmp-{uuid.uuid4().hex[:12]}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, secrets.token_bytes(KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
