"""Every test of these starts without a site key: several look at how it is made."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_site_key_yet(site_key_file: Path) -> None:
    assert not site_key_file.exists()
