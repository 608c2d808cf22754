"""Invented notes in XML while they are written: a text that grows, and the stretches of it that tags will mark."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FLIPPED = 0.05
"""Share of marks whose type is another than the wording says, at random: the best expected entity F1 is 0.95."""
_SLOT = re.compile(r"\{([\w-]+)\}")
_ESCAPED = (("&", "&amp;"), ("<", "&lt;"), ('"', "&quot;"))


@dataclass(slots=True)
class DraftMark:
    """A stretch of the text; `shift` is by how much its tag lies about where it starts and ends."""

    start: int
    end: int
    words: str = field(repr=False)
    """What the tag repeats."""
    type: str
    worded_type: str
    """What a reader would call it."""
    shift: int = 0


@dataclass(slots=True)
class Draft:
    """A note; its text begins with the line end that follows the opening of the CDATA section."""

    name: str
    number: int
    rng: random.Random
    types: Sequence[str]
    text: str = field(default="\n", repr=False)
    marks: list[DraftMark] = field(default_factory=list)
    line_end: str = "\n"
    encoding: str = "utf-8"

    def add(self, words: str) -> None:
        """Append words."""
        self.text += words

    def mark(self, words: str, worded: str, *, repeated: str | None = None, is_flipped: bool = True) -> DraftMark:
        """Append a marked stretch; with probability FLIPPED its type is another than worded.

        repeated: what its tag says instead of the words.
        """
        kind = worded
        if is_flipped and self.rng.random() < FLIPPED:
            kind = self.rng.choice([other for other in self.types if other != worded])
        start = len(self.text)
        self.add(words)
        self.marks.append(DraftMark(start, len(self.text), repeated or words, kind, worded))
        return self.marks[-1]

    def fill(self, template: str, value: Callable[[str], tuple[str, str]]) -> None:
        """Append a line made from a template; `value` gives words and type for the name of a slot."""
        for at, piece in enumerate(_SLOT.split(template)):
            if at % 2:
                self.mark(*value(piece))
            else:
                self.add(piece)
        self.add("\n")

    def written(self, content: str) -> bytes:
        """A file of this note, in its encoding and with its line ends."""
        return content.replace("\n", self.line_end).encode(self.encoding)


def element(name: str, attributes: Mapping[str, object], *, has_bare_ampersands: bool = False) -> str:
    """An empty element; a line end in an attribute is written as a blank.

    >>> element("AGE", {"id": "P0", "text": "6 & 1/2"})
    '<AGE id="P0" text="6 &amp; 1/2" />'
    """
    written = []
    for key, value in attributes.items():
        text = str(value).replace("\n", " ")
        for letter, escaped in _ESCAPED[1 if has_bare_ampersands else 0 :]:
            text = text.replace(letter, escaped)
        written.append(f'{key}="{text}"')
    return f"<{name} {' '.join(written)} />"


def document(root: str, text: str, elements: Iterable[str]) -> str:
    """The XML file."""
    tags = "".join(f"{tag}\n" for tag in elements)
    head = '<?xml version="1.0" encoding="UTF-8" ?>'
    return f"{head}\n<{root}>\n<TEXT><![CDATA[{text}]]></TEXT>\n<TAGS>\n{tags}</TAGS>\n</{root}>\n"
