"""The README's figure stands alone: one SVG that loads nothing and is well formed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from clinpeft.errors import BadInput
from clinpeft.frozen import parse_json
from clinpeft.report.results import Results

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "schemas" / "results.json"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figure", ROOT / "benchmarks" / "figure.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results() -> Results:
    return parse_json(Results, GOLDEN.read_bytes(), str(GOLDEN))


def test_every_task_has_a_panel_with_its_name_and_metric(script: ModuleType, results: Results) -> None:
    root = ElementTree.fromstring(script.figure(results))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    tasks = {row.task for row in results.rows}

    assert tasks <= set(texts)
    assert len(root.findall(f"{SVG}svg")) == len(tasks)


def test_every_colour_that_is_used_is_defined(script: ModuleType, results: Results) -> None:
    text = script.figure(results)

    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+):", text))


def test_a_task_that_the_study_lacks_is_refused(script: ModuleType, results: Results) -> None:
    with pytest.raises(BadInput, match="is not in the results"):
        script.figure(results, ["another"])


def test_results_without_a_score_are_refused(script: ModuleType, results: Results) -> None:
    with pytest.raises(BadInput, match="no configuration"):
        script.figure(results.model_copy(update={"rows": ()}))


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "figures").glob("*.svg")), ids=lambda path: path.name)
def test_a_committed_figure_is_well_formed_and_loads_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert ElementTree.fromstring(text).tag == f"{SVG}svg"
    assert not re.search(r"href|@import|url\(|<script", text)
