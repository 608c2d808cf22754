"""docs/cards: a page for every entry, as the code has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.cards import KINDS, MARK, export, pages
from clinpeft.catalogues import describe, summaries

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
