"""Invented n2c2 2018 notes: wrapped text whose wording decides what a mention is, but for a known share."""

from __future__ import annotations

import random
import re
import textwrap
from dataclasses import dataclass, field

from clinpeft.sources import _n2c2_2018_phrases as phrases
from clinpeft.sources._canary import canary
from clinpeft.sources._n2c2_2018_annotations import DRUG

FLIPPED = 0.06
"""Share of attributes whose type is another than the wording says, at random."""
WIDTH = 72
"""Columns at which the notes are wrapped."""
_SLOT = re.compile(r"\{([A-Za-z]+?)([01x])\}")


@dataclass(slots=True)
class Mention:
    """A marked stretch of the note, `end` exclusive."""

    start: int
    end: int
    type: str
    worded_type: str
    """What a reader would call it."""


@dataclass(slots=True)
class Invented:
    """A document while it is being written; relations are (attribute, drug) by number of the mention."""

    number: int
    text: str = field(default="", repr=False)
    mentions: list[Mention] = field(default_factory=list)
    relations: list[tuple[int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list, repr=False)
    """Further lines of the `.ann` file."""
    is_continued: bool = False
    """Whether mentions across lines stand with their line break, as in some files, and not in pieces."""

    def mark(self, words: str, label: str) -> int:
        """Mark the first stretch of the text with these words, whatever parts them; returns its number."""
        found = re.search(r"\s+".join(map(re.escape, words.split())), self.text)
        assert found is not None  # planted just before
        self.mentions.append(Mention(found.start(), found.end(), label, label))
        return len(self.mentions) - 1

    def ann(self) -> str:
        """The `.ann` file."""
        lines = [self._entity_line(number, item) for number, item in enumerate(self.mentions, start=1)]
        for number, (attribute, drug) in enumerate(self.relations, start=1):
            label = f"{self.mentions[attribute].type}-{DRUG}"
            lines.append(f"R{number}\t{label} Arg1:T{attribute + 1} Arg2:T{drug + 1}")
        return "".join(f"{line}\n" for line in [*lines, *self.notes])

    def _entity_line(self, number: int, item: Mention) -> str:
        stretch = self.text[item.start : item.end]
        if self.is_continued or "\n" not in stretch:
            return f"T{number}\t{item.type} {item.start} {item.end}\t{stretch}"
        places, at = [], item.start
        for piece in stretch.split("\n"):
            places.append(f"{at} {at + len(piece)}")
            at += len(piece) + 1
        return f"T{number}\t{item.type} {';'.join(places)}\t{' '.join(stretch.split())}"


def invent(rng: random.Random, number: int) -> Invented:
    """A discharge summary of about 200 words; one line holds its canary."""
    document = Invented(number)
    document.text = f"Admission Date:  [**2151-3-2**]\nRecord reference {canary(number)}\n\n"
    for heading in phrases.HEADINGS:
        document.text += f"{heading}\n"
        write_paragraph(document, rng, [rng.choice(phrases.HISTORY) for _ in range(rng.randint(4, 6))])
    document.text += f"{phrases.LAST_HEADING}\n"
    for item in range(1, rng.randint(4, 7)):
        document.text += f"{item}. "
        write_paragraph(document, rng, [rng.choice(phrases.MEDICATIONS)], gap="\n")
    return document


def write_paragraph(document: Invented, rng: random.Random, templates: list[str], gap: str = "\n\n") -> None:
    """Append sentences of these templates, wrapped; blanks become line ends, so offsets stay as they are."""
    plain: list[Mention] = []
    text = ""
    for template in templates:
        text += _sentence(document, rng, template, text, plain) + " "
    line_start = document.text.rfind("\n") + 1
    prefix = document.text[line_start:]
    lines = textwrap.wrap(prefix + text.strip(), WIDTH, break_long_words=False, break_on_hyphens=False)
    wrapped = "\n".join(lines)[len(prefix) :]
    assert len(wrapped) == len(text.strip())  # single blanks only, each of which stays or becomes a line end
    for item in plain:
        item.start += len(document.text)
        item.end += len(document.text)
    document.text += wrapped + gap


def _sentence(document: Invented, rng: random.Random, template: str, before: str, plain: list[Mention]) -> str:
    """The template with its slots filled; mentions, at their places after `before`, go into `plain` too."""
    text, done = "", 0
    drugs: dict[str, int] = {}
    attributes: list[tuple[int, str]] = []
    for slot in _SLOT.finditer(template):
        text += template[done : slot.start()]
        done = slot.end()
        words = rng.choice(phrases.TERMS[slot[1]])
        is_flipped = slot[1] != DRUG and rng.random() < FLIPPED
        item = Mention(
            len(before) + len(text),
            len(before) + len(text) + len(words),
            phrases.FLIPS[slot[1]] if is_flipped else slot[1],
            slot[1],
        )
        text += words
        plain.append(item)
        document.mentions.append(item)
        if slot[1] == DRUG:
            drugs[slot[2]] = len(document.mentions) - 1
        else:
            attributes.append((len(document.mentions) - 1, slot[2]))
    document.relations += [(number, drugs[drug]) for number, drug in attributes if drug in drugs]
    return text + template[done:]
