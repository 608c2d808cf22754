"""No test touches the user's own site key."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def site_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a site key of the test's own; the file is made on first use."""
    path = tmp_path / "site" / "site.key"
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(path))
    return path
