"""Where a report cannot go, nothing of it is written."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("option", ["--out", "--tables"])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_place_of_a_folder_is_refused(folder: Any, clinpeft: Any, option: str, below: str) -> None:
    folder.run()
    said = clinpeft("report", folder.root, option, folder.root / "study.yaml" / below)

    assert said.code == 2
    assert "is a file, or below one; choose a folder" in said.err
    assert len(said.err.splitlines()) == 1
    assert not (folder.root / "report").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe,\x00", b"model,method\nsmall,lora\n"])
def test_an_index_that_is_none_is_refused(folder: Any, clinpeft: Any, content: bytes) -> None:
    folder.run()
    (folder.root / "index.csv").write_bytes(content)
    said = clinpeft("recommend", folder.root)

    assert said.code == 2
    assert "index.csv: is no index of runs" in said.err
