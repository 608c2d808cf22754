"""The authors' pages, followed to the letter: their files are plug-ins that keep their kinds' promises."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clinpeft.catalogues import describe, summaries
from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.frozen import parse
from clinpeft.methods.base import METHODS, resolve_method
from clinpeft.models import catalogue
from clinpeft.spec import Kind, MethodChoice, ModelChoice
from clinpeft.tasks.base import TASKS
from clinpeft.testing import CHECKS
from clinpeft.testing.cells import all_cells
from clinpeft.testing.methods import check_method

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "add-a-model.md"
CORPUS = ROOT.parent / "shared" / "data" / "mts_dialog"
PLUG_INS = [("method", "last-layers"), ("metric", "log-loss"), ("task", "dialog-medications")]
CELLS: list[tuple[str, Kind]] = [
    ("bert", "relations"),
    ("albert", "entities"),
    ("t5", "multilabel"),
    ("llama", "classification"),
]
"""Some of those that `clinpeft check method` tries."""


@pytest.mark.parametrize(("kind", "name"), PLUG_INS, ids=[name for _, name in PLUG_INS])
def test_it_is_listed_and_shown(kind: str, name: str, plug_ins: Path) -> None:
    assert name in dict(summaries(kind))
    assert describe(kind, name)["title"]


@pytest.mark.parametrize(("kind", "name"), [*PLUG_INS[1:], ("family", "xlm-roberta")])
def test_it_keeps_the_promises_of_its_kind(kind: str, name: str, plug_ins: Path) -> None:
    results = CHECKS[kind](name)

    assert results
    assert [f"{result.name}: {result.detail}" for result in results if not result.passed] == []


def test_the_method_keeps_its_promises(plug_ins: Path) -> None:
    results = check_method(METHODS.get("last-layers"), CELLS)

    assert [f"{result.name}: {result.detail}" for result in results if not result.passed] == []


@pytest.fixture
def with_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's row at the end of catalogue.yaml."""
    row = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    rows = Path(catalogue.__file__).with_name("catalogue.yaml").read_text(encoding="utf-8")
    (tmp_path / "catalogue.yaml").write_text(f"{rows}\n{row}", encoding="utf-8")
    monkeypatch.setattr(catalogue, "__file__", str(tmp_path / "catalogue.py"))
    catalogue.catalogue.cache_clear()
    yield
    catalogue.catalogue.cache_clear()


@pytest.mark.usefixtures("with_the_row")
def test_the_row_is_a_model_that_keeps_its_promises() -> None:
    results = CHECKS["model"]("our-letters")

    assert results
    assert [f"{result.name}: {result.detail}" for result in results if not result.passed] == []
    assert dict(summaries("models"))["our-letters"] == "BERT with 6 layers, pre-trained on discharge letters"
    assert ("our-letters", "mimic3") in {(seen.model, seen.source) for seen in catalogue.seen_by("mimic3")}


def test_methods_serve_the_family_and_it_is_among_those_that_are_tried(plug_ins: Path) -> None:
    assert ("xlm-roberta", "entities") in all_cells()
    for method in ("lora", "prefix-tuning", "last-layers"):
        results = check_method(METHODS.get(method), [("xlm-roberta", "classification")])
        assert [f"{result.name}: {result.detail}" for result in results if not result.passed] == []


def test_a_checkpoint_of_the_family_is_a_model_like_any_other(plug_ins: Path, tmp_path: Path) -> None:
    from clinpeft.models.catalogue import resolve
    from clinpeft.models.load import load
    from clinpeft.testing.tiny import tiny_batch, tiny_model

    backbone: Any = tiny_model("xlm-roberta", "classification", 3).backbone
    backbone.save_pretrained(tmp_path / "our-xlm-roberta")
    resolved = resolve(ModelChoice(name="ours", path=str(tmp_path / "our-xlm-roberta")), tmp_path)

    assert resolved.card.family == "xlm-roberta"
    assert resolved.card.max_positions == 510
    assert load(resolved, "classification", 3, seed=1)(tiny_batch("classification")).shape == (8, 3)


def test_the_method_takes_its_option_and_refuses_more_layers_than_there_are(plug_ins: Path) -> None:
    from clinpeft.models.catalogue import model_card

    method, spec = resolve_method(MethodChoice.model_validate({"name": "last-layers", "num_layers": 4}))

    assert spec.options == {"num_layers": 4}
    assert method.refuses(model_card("minilm-l6"), "pairs") is None
    assert method.refuses(model_card("minilm-l6-first3"), "pairs") == "it has only 3 layers"


def test_the_method_refuses_no_layers(plug_ins: Path) -> None:
    with pytest.raises(BadInput, match="num_layers"):
        parse(METHODS.get("last-layers"), {"num_layers": 0}, "method 'last-layers'")


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_the_task_is_built_from_the_real_corpus(plug_ins: Path, tmp_path: Path) -> None:
    dataset = build_task(TASKS.get("dialog-medications")(), "dialog-medications", CORPUS, tmp_path / "out")

    assert {split: counts.examples for split, counts in dataset.card.counts.items()} == {
        "train": 1201,
        "validation": 100,
        "test": 200,
    }
    assert dataset.card.counts["train"].labels["yes"] > 0


def test_importing_the_method_loads_no_torch(plug_ins: Path) -> None:
    """What the page tells an author to take care of."""
    program = f"import sys; sys.path.insert(0, {str(plug_ins)!r}); import last_layers; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
