"""A second opinion on every source: minimal parsers that share no code with the builders, behind `clinpeft verify`.

One module a source, called like it, with a function `recount(task, root, options)`: `root` is the raw folder as
`Source.find` returns it, `options` the dataset's options with `mode`. It yields what the raw files say of every example
of that task before near-copies are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

Options = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Recounted:
    """One example as the second parser sees it."""

    example: str
    """Its id as the source gives it."""
    labels: tuple[str, ...]
    """Its class or classes, sorted; for entities the type of every span, sorted, repeats kept."""
    text: str | None = field(default=None, repr=False)
    """The example's text, where the parser makes it independently."""
    text_b: str | None = field(default=None, repr=False)
    """The second text of a pair."""
    spans: tuple[tuple[int, int, str], ...] | None = None
    """Start, end (exclusive, in the text) and type: of every entity in order of the text, or of head and tail."""
    split: str | None = None
    """`train`, `validation` or `test`, where the parser makes the split independently."""


def parser_of(source: str) -> Callable[[str, Path, Options], Iterator[Recounted]] | None:
    """The second parser of a source, or None when it has none."""
    module = f"{__name__}.{source.replace('-', '_')}"
    if find_spec(module) is None:
        return None
    parser: Callable[[str, Path, Options], Iterator[Recounted]] = import_module(module).recount
    return parser
