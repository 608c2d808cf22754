"""The plug-ins that the authors' pages describe, as if their packages were installed."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from clinpeft import registry

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = ("add-a-method.md", "add-a-model.md", "method-author.md")


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the pages' modules, importable, and their entry points; the pages are followed to the letter."""
    text = "\n".join((FOLDER / page).read_text(encoding="utf-8") for page in PAGES)
    folder = tmp_path / "plug-ins"
    folder.mkdir()
    modules = re.findall(r"<!-- module: (\w+) -->\n```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for name, code in modules:
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    points = [point for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) for point in _entry_points(block)]

    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in points if point.group == group])
    yield folder
    for name, _ in modules:
        sys.modules.pop(name, None)


def _entry_points(block: str) -> Iterator[EntryPoint]:
    for group, named in tomllib.loads(block)["project"]["entry-points"].items():
        for name, value in named.items():
            yield EntryPoint(name, value, group)
