"""One page for every task, method, model and metric, from what `clinpeft show` says of it, and one of what goes with
what.

python -m clinpeft.cards FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clinpeft.catalogues import describe, summaries
from clinpeft.files import write_atomic

KINDS = ("tasks", "methods", "models", "metrics")
MARK = "<!-- Written by `make cards` from the code; change the code, not this page. -->"
APART = ("name", "title", "what", "options")
"""Facts that have a place of their own on the page."""


def pages() -> dict[str, str]:
    """The text of every page by its path below the folder; `README.md` is the index."""
    found = {f"{kind}/{name}.md": _page(kind, name) for kind in KINDS for name, _ in summaries(kind)}
    return {"README.md": _index(), "compatibility.md": _compatibility(), **found}


def export(folder: Path) -> list[Path]:
    """Write every page to `folder` (made when it is missing), and remove written pages of entries that are gone."""
    wanted = {folder / name: text for name, text in pages().items()}
    for path in folder.glob("*/*.md"):
        if path not in wanted and path.read_text(encoding="utf-8").startswith(MARK):
            path.unlink()
    for path, text in wanted.items():
        write_atomic(path, text)
    return sorted(wanted)


def _index() -> str:
    lines = [MARK, "", "# Cards", "", "What is known of every entry; `clinpeft show KIND NAME` says the same."]
    lines += ["", "[Which method serves which family](compatibility.md)."]
    for kind in KINDS:
        lines += ["", f"## {kind.capitalize()}", "", "| name | what it is |", "|---|---|"]
        lines += [f"| [{name}]({kind}/{name}.md) | {_cell(title)} |" for name, title in summaries(kind)]
    return "\n".join(lines) + "\n"


def _compatibility() -> str:
    """A row a method, a column a family; numbers are those of the reasons below."""
    from clinpeft.testing.cells import MAIN_KINDS
    from clinpeft.testing.compatibility import compatibility

    found = compatibility()
    reasons = list(dict.fromkeys(found.refused.values()))
    lines = [
        *(MARK, "", "# Which method serves which family", ""),
        "✓: every promise is kept for classification, multilabel and entities (`tests/contracts/test_methods.py` tries",
        "them all). A number: a study that asks for it is refused, for the reason below.",
        *("", f"{100 * found.share_served():.1f} % of the cells are served.", ""),
        f"| | {' | '.join(found.families)} |",
        f"|---|{':-:|' * len(found.families)}",
    ]
    for method in found.methods:
        told = [[found.refused.get((method, family, kind)) for kind in MAIN_KINDS] for family in found.families]
        lines.append(f"| [{method}](methods/{method}.md) | {' | '.join(_mark(each, reasons) for each in told)} |")
    lines += [""] if reasons else []
    for number, reason in enumerate(reasons, 1):
        kinds = dict.fromkeys(kind for (_, _, kind), each in found.refused.items() if each == reason)
        lines.append(f"{number}. {'' if len(kinds) == len(MAIN_KINDS) else ', '.join(kinds) + ': '}{reason}")
    return "\n".join(lines) + "\n"


def _mark(told: list[str | None], reasons: list[str]) -> str:
    """What stands in a cell, from the reason or None for each kind of task."""
    return ", ".join(str(1 + reasons.index(reason)) for reason in dict.fromkeys(told) if reason is not None) or "✓"


def _page(kind: str, name: str) -> str:
    facts = describe(kind, name)
    lines = [MARK, "", f"# {name}", "", str(facts["title"])]
    if facts.get("what"):
        lines += ["", str(facts["what"])]
    lines += ["", *_bullets({key: value for key, value in facts.items() if key not in APART})]
    if facts.get("options"):
        lines += ["", "## Options", "", *_bullets(facts["options"], are_names=True)]
    return "\n".join(lines) + "\n"


def _bullets(facts: dict[str, Any], *, are_names: bool = False, indent: str = "") -> Iterator[str]:
    """One line a fact; what is not set is left out. Names are set as code, other keys as words."""
    for key, value in facts.items():
        label = f"`{key}`" if are_names else key.replace("_", " ")
        if isinstance(value, dict) and value:
            yield f"{indent}- **{label}**"
            yield from _bullets(value, indent=indent + "  ")
        elif value not in (None, "", [], {}):
            yield f"{indent}- **{label}**: {_words(value)}"


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return " ".join(str(value).split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m clinpeft.cards FOLDER")
    for written in export(Path(sys.argv[1])):
        print(written)
