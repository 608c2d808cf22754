"""docs/cards: a page for every entry, as the code has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.cards import KINDS, MARK, export, pages
from clinpeft.catalogues import describe, summaries
from clinpeft.methods.bitfit import BitFit
from clinpeft.methods.head_only import HeadOnly
from clinpeft.models.families.base import FAMILIES

COMMITTED = Path(__file__).parents[1] / "docs" / "cards"


def test_the_committed_pages_are_those_of_the_code() -> None:
    """`make cards` refreshes them."""
    committed = {str(path.relative_to(COMMITTED)): path.read_text() for path in COMMITTED.rglob("*.md")}

    assert committed == pages()


def test_every_entry_has_a_page_that_the_index_names() -> None:
    found = pages()
    for kind in KINDS:
        for name, title in summaries(kind):
            assert title in found[f"{kind}/{name}.md"]
            assert f"[{name}]({kind}/{name}.md)" in found["README.md"]


@pytest.mark.parametrize("kind", ["tasks", "methods", "metrics"])
def test_a_page_tells_every_option(kind: str) -> None:
    found = pages()
    for name, _ in summaries(kind):
        for option in describe(kind, name)["options"]:
            assert f"- **`{option}`**: " in found[f"{kind}/{name}.md"]


def test_the_compatibility_page_gives_every_cell_its_mark_or_its_reason() -> None:
    lines = pages()["compatibility.md"].splitlines()
    header, *rows = [line.split("|")[1:-1] for line in lines if line.startswith("| ")]
    marks = {
        (row[0].split("]")[0].strip(" ["), family.strip()): mark.strip()
        for row in rows
        for family, mark in zip(header[1:], row[1:], strict=True)
    }
    reasons = [line for line in lines if line[:1].isdigit() and ". " in line]

    assert {method for method, _ in marks} == {name for name, _ in summaries("methods")}
    assert {family for _, family in marks} == set(FAMILIES.names())
    assert marks["lora", "bert"] == "✓"
    number = marks["bitfit", "llama"]
    assert f"{number}. its family has no biases, and only the head would train; use ln-tuning or head-only" in reasons


def test_a_reason_that_holds_everywhere_is_the_machine_s_and_not_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HeadOnly, "refuses", lambda self, card, kind: "it needs a package that is not there")
    monkeypatch.setattr(BitFit, "refuses", lambda self, card, kind: "no tags" if kind == "entities" else None)
    lines = pages()["compatibility.md"].splitlines()

    assert not [line for line in lines if "package" in line]
    assert [line for line in lines if line.endswith("entities: no tags")]


def test_a_task_s_page_says_what_it_must_not_be_taken_for() -> None:
    assert "- **is not**: Not a bedside score" in pages()["tasks/mimic3-mortality.md"]


def test_pages_of_entries_that_are_gone_are_removed_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "gone.md").write_text(f"{MARK}\n\n# gone\n")
    (folder / "mine.md").write_text("# written by hand\n")

    export(tmp_path)

    assert not (folder / "gone.md").exists()
    assert (folder / "mine.md").exists()
    assert (folder / "auroc.md").exists()
