"""Invented i2b2/VA 2010 documents: sentences in which wording decides what a mention is, but for a known share."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from clinpeft.sources import _i2b2_2010_phrases as phrases
from clinpeft.sources._canary import canary
from clinpeft.sources._i2b2_2010_annotations import ASSERTIONS, CONCEPT_TYPES, ConceptType, token_bounds

FLIPPED = 0.05
"""Share of mentions whose type is another than the wording says, at random: the best expected entity F1 is 0.95. As
many problems have another assertion than the wording says."""
_SLOT = re.compile(r"\{([pte]):?(\w*)\}")
_SLOT_TYPES: dict[str, ConceptType] = {"p": "problem", "t": "treatment", "e": "test"}


@dataclass(frozen=True, slots=True)
class Mention:
    """A concept on one line; tokens as the annotation files count them, the last one included."""

    line: int
    first: int
    last: int
    type: ConceptType
    worded_type: ConceptType
    """What a reader would call it."""
    assertion: str


@dataclass(slots=True)
class Invented:
    """A document while it is being written."""

    number: int
    lines: list[str] = field(default_factory=list, repr=False)
    mentions: list[Mention] = field(default_factory=list)
    relations: list[tuple[Mention, str, Mention]] = field(default_factory=list)
    worded_relations: list[tuple[Mention, str, Mention]] = field(default_factory=list)
    """What a reader would relate."""
    line_end: str = "\n"
    encoding: str = "utf-8"
    has_final_line_end: bool = True

    def text(self) -> bytes:
        """The `.txt` file."""
        text = self.line_end.join(self.lines) + (self.line_end if self.has_final_line_end else "")
        return text.encode(self.encoding)

    def con(self) -> bytes:
        """The `.con` file."""
        return self._file(f'{self._marked(mention)}||t="{mention.type}"' for mention in self.mentions)

    def ast(self) -> bytes:
        """The `.ast` file: one line a problem, none twice."""
        problems = dict.fromkeys(mention for mention in self.mentions if mention.type == "problem")
        return self._file(f'{self._marked(mention)}||t="problem"||a="{mention.assertion}"' for mention in problems)

    def rel(self) -> bytes:
        """The `.rel` file."""
        rows = self.relations
        return self._file(f'{self._marked(head)}||r="{name}"||{self._marked(tail)}' for head, name, tail in rows)

    def _marked(self, mention: Mention) -> str:
        line = self.lines[mention.line - 1]
        bounds = token_bounds(line)[mention.first : mention.last + 1]
        words = " ".join(line[bounds[0][0] : bounds[-1][1]].lower().split())
        return f'c="{words}" {mention.line}:{mention.first} {mention.line}:{mention.last}'

    def _file(self, rows: Iterable[str]) -> bytes:
        return "".join(f"{row}{self.line_end}" for row in rows).encode(self.encoding)


def invent(rng: random.Random, number: int) -> Invented:
    """A document of 10 to 12 lines; one line holds its canary."""
    document = Invented(number, [f"Record reference {canary(number)} ."])
    for _ in range(rng.randint(9, 11)):
        if rng.random() < 0.15:
            document.lines.append(rng.choice(phrases.PLAIN))
        else:
            write_sentence(document, rng, rng.choice(phrases.TEMPLATES))
    return document


def write_sentence(document: Invented, rng: random.Random, template: phrases.Template) -> list[Mention]:
    """Append a sentence of the template; relations stand only between mentions that are what they look like."""
    tokens: list[str] = []
    mentions = []
    for word in template.words.split():
        slot = _SLOT.fullmatch(word)
        if slot is None:
            tokens.append(word)
            continue
        kind = _SLOT_TYPES[slot[1]]
        words = f"{rng.choice(phrases.MODIFIERS[kind])} {rng.choice(phrases.TERMS[kind])}".split()
        bounds = len(tokens), len(tokens) + len(words) - 1
        mentions.append(mention(rng, len(document.lines) + 1, *bounds, kind, slot[2] or "present"))
        tokens.extend(words)
    tokens[0] = tokens[0][:1].upper() + tokens[0][1:]
    document.lines.append(" ".join(tokens))
    document.mentions.extend(mentions)
    for first, name, second in template.relations:
        pair = mentions[first], mentions[second]
        document.worded_relations.append((pair[0], name, pair[1]))
        if all(item.type == item.worded_type for item in pair):
            document.relations.append((pair[0], name, pair[1]))
    return mentions


def mention(
    rng: random.Random, line: int, first: int, last: int, worded: ConceptType, assertion: str = "present"
) -> Mention:
    """A mention whose type is another than worded with probability FLIPPED."""
    kind = worded
    if rng.random() < FLIPPED:
        kind = rng.choice([other for other in CONCEPT_TYPES if other != worded])
    return Mention(line, first, last, kind, worded, assertion if kind == worded else "present")


def blur_assertions(document: Invented, rng: random.Random) -> None:
    """Give a share FLIPPED of the document's mentions another assertion, copies of a mention the same."""
    other = {
        item: replace(item, assertion=rng.choice([name for name in ASSERTIONS if name != item.assertion]))
        if rng.random() < FLIPPED
        else item
        for item in dict.fromkeys(document.mentions)
    }
    document.mentions = [other[item] for item in document.mentions]


def best_relation_f1(documents: Sequence[Invented]) -> float:
    """The relation F1 of a reader who goes by the wording and does not see the types, over pairs with a problem."""
    num_gold = num_worded = num_right = 0
    for document in documents:
        gold = {(frozenset((head, tail)), name) for head, name, tail in document.relations}
        worded = {
            (frozenset((head, tail)), name)
            for head, name, tail in document.worded_relations
            if "problem" in {head.type, tail.type}
        }
        num_gold += len(gold)
        num_worded += len(worded)
        num_right += len(gold & worded)
    return 2 * num_right / max(1, num_gold + num_worded)
