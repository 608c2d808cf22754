"""The method author's page, followed to the letter: its files are plug-ins that keep their kinds' promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clinpeft.catalogues import describe, summaries
from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.frozen import parse
from clinpeft.methods.base import METHODS, resolve_method
from clinpeft.spec import MethodChoice
from clinpeft.tasks.base import TASKS
from clinpeft.testing import CHECKS

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "data" / "mts_dialog"
PLUG_INS = [("method", "last-layers"), ("metric", "log-loss"), ("task", "dialog-medications")]


@pytest.mark.parametrize(("kind", "name"), PLUG_INS, ids=[name for _, name in PLUG_INS])
def test_it_is_listed_and_shown(kind: str, name: str, plug_ins: Path) -> None:
    assert name in dict(summaries(kind))
    assert describe(kind, name)["title"]


@pytest.mark.parametrize(("kind", "name"), PLUG_INS, ids=[name for _, name in PLUG_INS])
def test_it_keeps_the_promises_of_its_kind(kind: str, name: str, plug_ins: Path) -> None:
    results = CHECKS[kind](name)

    assert results
    assert [f"{result.name}: {result.detail}" for result in results if not result.passed] == []


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
