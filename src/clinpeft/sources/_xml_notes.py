"""A note in XML, as i2b2 2012 and 2014 give it out: its text in CDATA, below it the tags that mark parts of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from xml.parsers import expat

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, text_of

Problem = tuple[int | None, str]
"""A line of the file (None: all of it) and what is odd there, in the words of the card's anomalies."""

_CDATA = re.compile(r"<TEXT><!\[CDATA\[(.*?)\]\]></TEXT>", re.DOTALL)
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);)")
_NUMBER = re.compile(r"[0-9]{1,9}")
_DAMAGED = "unpack the archive again"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the XML of one release looks like."""

    root: str
    marks: Collection[str]
    """Names of the tags that mark a stretch that is wanted."""
    others: Collection[str]
    """Names of the tags that are known and not wanted."""
    type_attribute: str
    has_bare_ampersands: bool
    """Whether some of its files do not escape `&` in attributes; such are read as if they did."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A stretch that the file marks: code points of the note from 0, end exclusive, as it says; `row` is its line."""

    row: int
    start: int
    end: int
    text: str = field(repr=False)
    type: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MarkedNote:
    """The note, line ends and `&apos;` as they stand, and its tags in the file's order."""

    text: str = field(repr=False)
    tags: tuple[Tag, ...]
    problems: tuple[Problem, ...]


def read_note(file: RawText, shape: Shape) -> MarkedNote:
    """The note of one file.

    The text is cut out before the rest is parsed, so that it may hold anything. Raises BadInput with the line for a
    DTD (with it, any entity of the file's own), another root, XML that is not well-formed, a note that is missing or
    blank, and a tag without numbers, text or type or that starts after its end.
    """
    content, is_cp1252 = text_of(file)
    problems: list[Problem] = [(None, "read-as-cp1252")] if is_cp1252 else []
    found = _CDATA.search(content)
    rest = content
    if found is not None:
        line_ends = "\n" * found[0].count("\n")  # so that errors below name the file's own lines
        rest = f"{content[: found.start()]}<TEXT>{line_ends}</TEXT>{content[found.end() :]}"
    if shape.has_bare_ampersands and _BARE_AMPERSAND.search(rest):
        rest = _BARE_AMPERSAND.sub("&amp;", rest)
        problems.append((None, "ampersands-repaired"))
    tags = _tags(rest, file.path, shape, problems)
    if found is None:
        raise BadInput(file.path, "has no <TEXT><![CDATA[…]]></TEXT>", _DAMAGED)
    if not found[1].strip():
        raise BadInput(file.path, "its <TEXT> is empty", _DAMAGED)
    return MarkedNote(found[1], tuple(tags), tuple(problems))


def _tags(rest: str, path: str, shape: Shape, problems: list[Problem]) -> list[Tag]:
    tags: list[Tag] = []
    above: list[str] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        if not above and name != shape.root:
            raise BadInput(path, f"its root is not <{shape.root}>", "take the archives that the task's card names")
        if above == [shape.root, "TAGS"]:
            if name in shape.marks:
                tags.append(_tag(parser.CurrentLineNumber, attributes, path, shape.type_attribute))
            elif name not in shape.others:
                problems.append((parser.CurrentLineNumber, "unknown-tag"))
        above.append(name)

    def end(_: str) -> None:
        above.pop()

    def refuse_doctype(*_: object) -> None:
        raise BadInput(path, "holds a DTD, which may define entities", "no file of the release does")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = refuse_doctype
    try:
        parser.Parse(rest, True)
    except expat.ExpatError as error:
        raise BadInput(f"{path}, line {error.lineno}", "is not well-formed XML", _DAMAGED) from None
    return tags


def _tag(row: int, attributes: dict[str, str], path: str, type_attribute: str) -> Tag:
    where = f"{path}, line {row}"
    bounds = [attributes.get(name, "") for name in ("start", "end")]
    if not all(_NUMBER.fullmatch(bound) for bound in bounds):
        raise BadInput(where, "a tag has no start and end in digits", _DAMAGED)
    for name in ("text", type_attribute):
        if name not in attributes:
            raise BadInput(where, f"a tag has no {name}", _DAMAGED)
    start, end = (int(bound) for bound in bounds)
    if start > end:
        raise BadInput(where, "a tag starts after its end", _DAMAGED)
    return Tag(row, start, end, attributes["text"], attributes[type_attribute].strip())
